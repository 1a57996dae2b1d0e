import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** One planted violation per rule: file → its import. */
const planted: Readonly<Record<string, readonly [file: string, text: string]>> = {
  'no-cycles': ['internal/lifecycle/a.ts', "import './b.ts'"],
  resolvable: ['internal/lifecycle/missing.ts', "import './nowhere.ts'"],
  'nothing-imports-cmd': ['internal/testkit/uses-cmd.ts', "import '../../cmd/dispatch/main.ts'"],
  'domain-is-pure': ['internal/domain/impure.ts', "import 'node:fs'"],
  'port-sees-domain': ['internal/port/far.ts', "import '../dispatch/target.ts'"],
  'dispatch-sees-ports': ['internal/dispatch/far.ts', "import '../lifecycle/b.ts'"],
  'adapters-do-not-meet': ['internal/redis/meets.ts', "import type { X } from '../postgres/target.ts'"],
  'only-http-enters-dispatch': ['internal/provider/enters.ts', "import '../dispatch/target.ts'"],
  'lifecycle-sees-ports': ['internal/lifecycle/far.ts', "import '../domain/target.ts'"],
  'config-sees-domain': ['internal/config/far.ts', "import '../port/target.ts'"],
  'config-is-for-cmd': ['internal/dispatch/settings.ts', "import '../config/target.ts'"],
  'testkit-is-for-tests': ['internal/provider/fake.ts', "import '../testkit/target.ts'"],
  'only-httpapi-may-use-hono': ['internal/provider/web.ts', "import 'hono'"],
  'only-httpapi-may-use-@hono': ['internal/provider/server.ts', "import '@hono/node-server'"],
  'only-postgres-may-use-kysely': ['internal/provider/sql.ts', "import 'kysely'"],
  'only-postgres-may-use-postgres': ['internal/redis/sql.ts', "import 'postgres'"],
  'only-rabbitmq-may-use-amqplib': ['internal/provider/amqp.ts', "import 'amqplib'"],
  'only-redis-may-use-ioredis': ['internal/provider/redis.ts', "import 'ioredis'"],
  'only-telemetry-may-use-prom-client': ['internal/provider/metrics.ts', "import 'prom-client'"],
  'only-telemetry-may-use-pino': ['internal/provider/log.ts', "import 'pino'"],
  'only-provider-may-use-undici': ['internal/redis/http.ts', "import 'undici'"],
  'only-provider-may-use-nodemailer': ['internal/redis/mail.ts', "import 'nodemailer'"],
}

const supporting: Readonly<Record<string, string>> = {
  'tsconfig.json': '{"compilerOptions":{"module":"nodenext","allowImportingTsExtensions":true,"noEmit":true}}',
  'package.json': '{"type":"module"}',
  'cmd/dispatch/main.ts': 'export const x = 1',
  'internal/lifecycle/b.ts': "import './a.ts'",
  'internal/domain/target.ts': 'export const x = 1',
  'internal/port/target.ts': 'export const x = 1',
  'internal/dispatch/target.ts': 'export const x = 1',
  'internal/postgres/target.ts': 'export interface X { y: 1 }',
  'internal/config/target.ts': 'export const x = 1',
  'internal/testkit/target.ts': 'export const x = 1',
}

describe('import rules', () => {
  let folder = ''
  let reported: ReadonlySet<string> = new Set()

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'import-rules-'))
    const files = [...Object.entries(supporting), ...Object.values(planted)]
    for (const [file, text] of files) {
      mkdirSync(dirname(join(folder, file)), { recursive: true })
      writeFileSync(join(folder, file), `${text}\n`)
    }
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    reported = new Set(cruise(folder))
  })

  afterAll(() => rmSync(folder, { recursive: true }))

  it.each(Object.keys(planted))('a planted violation of %s is reported', (rule) => {
    expect([...reported]).toContain(rule)
  })

  it('every rule has a planted violation', () => {
    const all: unknown = JSON.parse(
      execFileSync(
        process.execPath,
        [
          '-p',
          `JSON.stringify(require(${JSON.stringify(join(root, '.dependency-cruiser.cjs'))}).forbidden.map((r) => r.name))`,
        ],
        { encoding: 'utf8' },
      ),
    )
    expect(all).toEqual(expect.arrayContaining(Object.keys(planted)))
    expect(all).toHaveLength(Object.keys(planted).length)
  })
})

/** Names of the rules that dependency-cruiser reports; it exits non-zero when it reports any. */
function cruise(folder: string): readonly string[] {
  const program = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs')
  const args = [program, '--config', join(root, '.dependency-cruiser.cjs'), '--output-type', 'err', 'cmd', 'internal']
  try {
    return rulesIn(execFileSync(process.execPath, args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' }))
  } catch (error) {
    if (error instanceof Error && 'stdout' in error && typeof error.stdout === 'string') return rulesIn(error.stdout)
    throw error
  }
}

function rulesIn(output: string): readonly string[] {
  return [...output.matchAll(/error ([a-z@-]+): /g)].map((match) => match[1] ?? '')
}
