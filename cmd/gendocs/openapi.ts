import { openApiDocument } from '../../internal/httpapi/openapi.ts'

/** The text of docs/openapi.json. */
export function renderOpenApi(version: string): string {
  return `${JSON.stringify(openApiDocument(version), null, 2)}\n`
}
