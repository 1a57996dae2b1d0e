import { type Field, groups, namesOf } from '../../internal/config/field.ts'
import { allFields } from '../../internal/config/fields.ts'

const header = `# Made by cmd/gendocs/main.ts from internal/config; change it there.
#
# Copy to .env and remove the # before what you want to change. Every line shows the default, or an example where the
# default is not a fixed value. The environment wins over this file. Durations: 250ms, 5s, 10m, 24h; a bare number is
# milliseconds. All of it is explained in docs/CONFIGURATION.md.`

const lineMax = 118

/** .env.example: every setting, all of them commented out. */
export function renderEnvExample(): string {
  const parts = groups.map((group) => {
    const fields = allFields.filter((field) => field.group === group)
    return [`# --- ${group} ---`, ...fields.map(renderField)].join('\n\n')
  })
  return `${[header, ...parts].join('\n\n')}\n`
}

function renderField(field: Field): string {
  const [name = field.env, ...aliases] = namesOf(field)
  const also = aliases.length === 0 ? '' : ` Also: ${aliases.join(', ')}.`
  const otherwise = 'written' in field.fallback ? '' : ` ${renderFallback(field.fallback.said)}.`
  const value = 'written' in field.fallback ? field.fallback.written : (field.example ?? '')
  return [...wrap(`${field.help}${also}${otherwise}`), `#${name}=${value}`].join('\n')
}

function renderFallback(said: string): string {
  return said.startsWith('required') ? said.replace('r', 'R') : `Default: ${said}`
}

/** Comment lines of at most {@link lineMax} characters. */
function wrap(text: string): readonly string[] {
  const lines: string[] = []
  let line = '#'
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > lineMax) {
      lines.push(line)
      line = '#'
    }
    line += ` ${word}`
  }
  return [...lines, line]
}
