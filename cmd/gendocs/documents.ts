import { connectorJsonSchema } from '../../internal/provider/connector/json-schema.ts'
import { version } from '../version.ts'
import { renderEnvExample } from './env-example.ts'
import { renderOpenApi } from './openapi.ts'
import { renderSettingsPage } from './settings-page.ts'

/** A file of the repository that is made from code and must not differ from it. */
export interface GeneratedDocument {
  /** From the root of the repository, with forward slashes. */
  readonly path: string
  readonly render: () => string | Promise<string>
}

export const documents: readonly GeneratedDocument[] = [
  { path: 'docs/CONFIGURATION.md', render: renderSettingsPage },
  { path: '.env.example', render: renderEnvExample },
  { path: 'docs/openapi.json', render: () => renderOpenApi(version) },
  { path: 'docs/connector.schema.json', render: () => `${JSON.stringify(connectorJsonSchema(), null, 2)}\n` },
]
