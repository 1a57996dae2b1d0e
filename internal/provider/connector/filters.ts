import { asText, ownProperty } from './values.ts'

/** The entry of a table, null without one. */
export function lookUp(value: unknown, table: unknown): unknown {
  return ownProperty(table, asText(value)) ?? null
}

/** The three characters that control Slack's markup. */
export function escapeSlack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
