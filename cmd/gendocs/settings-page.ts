import { crossChecks } from '../../internal/config/cross-checks.ts'
import { type Field, type Group, groups, namesOf } from '../../internal/config/field.ts'
import { allFields } from '../../internal/config/fields.ts'

const introduction = `<!-- Made by cmd/gendocs/main.ts from internal/config; change it there. -->
# Settings

Every setting is an environment variable. To try the engine none is needed but \`EMBEDDED=1\`; with servers the four
addresses under [Connections](#connections) are enough.

- **Where from.** A file \`.env\` in the working directory fills in what the environment leaves out. It never overrides
  the environment. \`make demo\` and \`make test\` do not read it. [.env.example](../.env.example) lists everything.
- **Problems.** A start that finds any problem reports all of them at once, each with the name, what was found and what
  is expected, and exits. Passwords and keys are masked there and in the logs. What looks like a misspelt setting is
  a warning at start.
- **Empty** values count as not set. Words (levels, roles, yes and no) are read in any case.
- **Durations** are written \`250ms\`, \`5s\`, \`10m\`, \`24h\`, \`30d\`, or as sums such as \`1m30s\`. A bare number is
  milliseconds. Settings whose name ends in \`_SECONDS\` take a bare number of seconds.
- **Aliases** are other names for the same setting. Two names with two different values are an error.`

const groupNotes: Partial<Record<Group, string>> = {
  Connections: `With servers, the first four addresses are required. Built-in parts are chosen by \`EMBEDDED=1\`, or one by one with
\`embedded:\` and \`memory:\` as address; then the engine listens on 127.0.0.1 only and sends to a built-in sink, unless
told otherwise. A server's address together with \`EMBEDDED=1\` is an error.

\`DATABASE_URL\` takes both forms that PostgreSQL's own tools take: \`postgres://user:password@host:5432/name?sslmode=require\`, with
characters such as \`@ / ? # %\` in the password percent-encoded, or \`host=… user=… password='with spaces' dbname=… sslmode=disable\`,
with \`\\'\` and \`\\\\\` inside quotes. Several hosts are separated by commas. Unix sockets and bare IPv6 addresses are not supported.`,
  Tests: 'Never for production. The points and what each action does there: [TESTING.md](TESTING.md#failpoints).',
  'Docker Compose': 'Read by `docker-compose.yml` for the containers it starts; the engine itself ignores them.',
}

/** docs/CONFIGURATION.md. */
export function renderSettingsPage(): string {
  const rules = crossChecks.map((check) => `- ${check.rule}`)
  return `${[
    introduction,
    ...groups.map(renderGroup),
    '## Settings that must fit each other',
    'A start is refused unless all of these hold:',
    rules.join('\n'),
  ].join('\n\n')}\n`
}

function renderGroup(group: Group): string {
  const note = groupNotes[group]
  const rows = allFields.filter((field) => field.group === group).map(renderRow)
  const table = ['| setting | default | allowed | what it does |', '|---|---|---|---|', ...rows].join('\n')
  return [`## ${group}`, ...(note === undefined ? [] : [note]), table].join('\n\n')
}

function renderRow(field: Field): string {
  const names = namesOf(field).map((name) => `\`${name}\``)
  const fallback = 'written' in field.fallback ? `\`${field.fallback.written}\`` : field.fallback.said
  const cells = [names.join(' = '), fallback, field.parser.expected, field.help]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}
