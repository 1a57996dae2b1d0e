import type { JsonValue } from '../../domain/notification.ts'
import type { Finding, PathPart } from '../connector/problems.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** `${NAME}`; `$${NAME}` stands for itself. */
const reference = /\$(\$?)\{([^{}]*)\}/g
const variable = /^[A-Za-z_][A-Za-z0-9_]*$/

/** Puts the values of variables into every text, whatever its depth; what cannot be put in is added to `findings`. */
export function withEnvironment(
  value: JsonValue,
  environment: Environment,
  path: readonly PathPart[],
  findings: Finding[],
): JsonValue {
  if (typeof value === 'string') return textWith(value, environment, path, findings)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    return value.map((one: JsonValue, index) => withEnvironment(one, environment, [...path, index], findings))
  }
  const entries = Object.entries(value).map(([name, one]): readonly [string, JsonValue] => [
    name,
    withEnvironment(one, environment, [...path, name], findings),
  ])
  return Object.fromEntries(entries)
}

function textWith(text: string, environment: Environment, path: readonly PathPart[], findings: Finding[]): string {
  return text.replace(reference, (whole, escape: string, name: string) => {
    if (escape !== '') return whole.slice(1)
    const value = variable.test(name) ? environment[name] : undefined
    if (value !== undefined && value !== '') return value
    const found = variable.test(name) ? `\${${name}}, which is not set in the environment` : `\${${name}}`
    findings.push({ path, found, expected: 'the name of an environment variable that is set' })
    return ''
  })
}
