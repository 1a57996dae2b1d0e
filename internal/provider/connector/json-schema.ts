import { z } from 'zod'
import { connectorSchema } from './schema.ts'

/** The JSON Schema of connector documents (draft 2020-12), for editors and other tools. */
export function connectorJsonSchema(): object {
  const { $schema, ...rest } = z.toJSONSchema(connectorSchema, { io: 'input', reused: 'ref' })
  return { $schema, title: 'Connector of Dispatch Engine', ...rest }
}
