import { type Connector, compileConnector } from './compile.ts'
import type { Problem } from './problems.ts'
import { checkRules } from './rules.ts'
import { connectorSchema } from './schema.ts'
import { findingsOf } from './schema-issues.ts'
import { readSource } from './yaml.ts'

export type ParsedConnector =
  | { readonly ok: true; readonly connector: Connector }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/**
 * Reads a connector document in YAML or JSON and compiles it. Never throws; all problems of one kind are told at once:
 * first those of the text, then those of the schema, then those between its parts and in its templates.
 * @param fileName stands in the problems; nothing is read from there.
 */
export function parseConnector(text: string, fileName: string): ParsedConnector {
  const read = readSource(text, fileName)
  if (!read.ok) return read
  const { source } = read
  const parsed = connectorSchema.safeParse(source.value)
  if (!parsed.success) {
    const findings = findingsOf(connectorSchema, parsed.error, source.value)
    return { ok: false, problems: findings.map((finding) => source.problem(finding)) }
  }
  const { connector, findings } = compileConnector(parsed.data)
  const all = [...checkRules(parsed.data), ...findings]
  if (all.length > 0) return { ok: false, problems: inOrder(all.map((finding) => source.problem(finding))) }
  return { ok: true, connector }
}

function inOrder(problems: readonly Problem[]): readonly Problem[] {
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column)
}
