import { mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { Throwaway } from '../../internal/testkit/services/throwaway.ts'
import { projectRoot } from '../project-root.ts'
import { endChildren, type Finished, run } from './child.ts'
import { NoServicesError, openServices, type Services, seconds } from './services.ts'
import { add, countTests, describeTally, listFailures, type Tally } from './tally.ts'

/** Scripts of package.json, each one a check; in this order. */
const checks = ['check:format', 'lint', 'typecheck', 'check:imports', 'check:unused', 'docs:check', 'build'] as const
const checkTimeoutMs = 5 * 60_000
const testTimeoutMs = 20 * 60_000
const usage = `npm test [-- [--coverage] [arguments of "vitest run"]]
Without arguments (--coverage aside): every check, then every test. With arguments: only the tests they select.`

/**
 * `make test`: servers for the tests, every check, every test. The last line is "N passed, N failed" on its own; the exit
 * code is 0 only when nothing failed. Settings of a developer's `.env` file are not read.
 */
async function main(): Promise<number> {
  const args = process.argv.slice(2)
  if (args.includes('--help') || args.includes('-h')) return say(usage)
  if (Number.parseInt(process.versions.node, 10) < 22) {
    return fail(
      `The tests need Node 22.19 or newer, this is ${process.version}: run "npm ci" with optional packages, or install it.`,
    )
  }
  const startedAtMs = performance.now()
  const env = testEnvironment()
  const stopper = makeStopper()
  let services: Services
  try {
    services = await openServices(env, say, stopper.holds)
  } catch (error) {
    if (error instanceof NoServicesError) return fail(error.message)
    throw error
  }
  try {
    const selected = args.filter((arg) => arg !== '--coverage')
    const tallies: Tally[] = []
    for (const check of selected.length > 0 ? [] : checks) tallies.push(await runCheck(check, env))
    tallies.push(await runTests(args, { ...env, ...services.env }))
    const total = add(...tallies)
    await services.stop()
    say(
      `took ${seconds(startedAtMs)}${total.skipped > 0 ? `; ${total.skipped} tests do not apply here and were skipped` : ''}`,
    )
    say(describeTally(total))
    return total.failed === 0 ? 0 : 1
  } finally {
    await services.stop()
  }
}

function testEnvironment(): NodeJS.ProcessEnv {
  const bin = path.join(projectRoot, 'node_modules', '.bin')
  return {
    ...process.env,
    PATH: `${bin}${path.delimiter}${process.env['PATH'] ?? ''}`, // tools of this project, on its Node
    DOTENV_CONFIG_PATH: os.devNull,
  }
}

async function runCheck(script: string, env: NodeJS.ProcessEnv): Promise<Tally> {
  const result = await run('npm', ['run', '--silent', script], { env, timeoutMs: checkTimeoutMs, output: 'collect' })
  const passed = result.exitCode === 0
  say(`${passed ? 'ok  ' : 'FAIL'}  ${script.padEnd(14)} ${duration(result)}`)
  if (!passed) say(result.output.trimEnd() || `exit code ${result.exitCode}`)
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 }
}

async function runTests(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Tally> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'dispatch-report-'))
  try {
    const file = path.join(folder, 'report.json')
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
    const options = { env, timeoutMs: testTimeoutMs, output: 'show' } as const
    const result = await run('vitest', ['run', ...reporters, ...args], options)
    const report = await readFile(file, 'utf8').catch(() => null)
    const tally = countTests(report, result.exitCode)
    if (tally.failed > 0) for (const line of listFailures(report, projectRoot)) say(`failed: ${line}`)
    say(`${tally.failed === 0 ? 'ok  ' : 'FAIL'}  ${'tests'.padEnd(14)} ${duration(result)}`)
    if (result.output !== '') say(result.output.trimEnd())
    return tally
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Whatever ends this process, by signal or by a bug, takes the servers with it. A repeated signal changes nothing: npm passes on the Ctrl-C that the terminal has sent already. */
function makeStopper(): { readonly holds: (throwaway: Throwaway) => void } {
  const held: Throwaway[] = []
  let stopping = false
  const stop = async (exitCode: number) => {
    if (stopping) return
    stopping = true
    say('stopping …')
    endChildren()
    await Promise.allSettled(held.map((one) => one.stop()))
    process.exit(exitCode)
  }
  process.on('SIGINT', () => void stop(130))
  process.on('SIGTERM', () => void stop(143))
  process.on('SIGHUP', () => void stop(129))
  process.on('exit', () => held.forEach((one) => one.killNow()))
  return { holds: (throwaway) => held.push(throwaway) }
}

function duration({ durationMs }: Finished): string {
  return `${(durationMs / 1000).toFixed(1)} s`
}

function say(line: string): 0 {
  console.log(line)
  return 0
}

function fail(line: string): 1 {
  say(line)
  say(describeTally({ passed: 0, failed: 1, skipped: 0 }))
  return 1
}

process.exitCode = await main()
