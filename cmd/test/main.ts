import { mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { Throwaway } from '../../internal/testkit/services/throwaway.ts'
import { projectRoot } from '../project-root.ts'
import { endChildren, type Finished, run } from './child.ts'
import { runLanes } from './lanes.ts'
import { checkLanes, planTests, type TestRun } from './plan.ts'
import { findServices, NoServicesError, type Services, seconds } from './services.ts'
import { add, countTests, describeTally, listFailures, type RunResult, type Tally } from './tally.ts'

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
  let checks: Tally
  try {
    const selects = args.some((arg) => arg !== '--coverage')
    const open = await findServices(env, say, stopper.holds)
    const opening = open()
    opening.catch(() => undefined) // told below, after the checks
    checks = add(...(selects ? [] : await runChecks(env)))
    services = await opening
  } catch (error) {
    if (error instanceof NoServicesError) return fail(error.message)
    throw error
  }
  try {
    const tests = await runTests(args, { ...env, ...services.env })
    const total = add(checks, tests)
    await services.stop()
    say(
      `took ${seconds(startedAtMs)}${total.skipped > 0 ? `; ${total.skipped} tests do not apply here and were skipped` : ''}`,
    )
    say(describeTally(total))
    return total.failed === 0 ? 0 : 1
  } finally {
    endChildren()
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

function runChecks(env: NodeJS.ProcessEnv): Promise<readonly Tally[]> {
  return runLanes(checkLanes.map((scripts) => scripts.map((script) => () => runCheck(script, env))))
}

async function runCheck(script: string, env: NodeJS.ProcessEnv): Promise<Tally> {
  const result = await run('npm', ['run', '--silent', script], { env, timeoutMs: checkTimeoutMs, output: 'collect' })
  const passed = result.exitCode === 0
  sayResult(passed, script, result)
  if (!passed) say(result.output.trimEnd() || `exit code ${result.exitCode}`)
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 }
}

async function runTests(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Tally> {
  const results: RunResult[] = []
  for (const stage of planTests(args, env)) {
    const isAlone = stage.length === 1
    results.push(...(await runLanes(stage.map((lane) => lane.map((one) => () => runVitest(one, env, isAlone))))))
  }
  for (const result of results) for (const line of listFailures(result, projectRoot)) say(`failed: ${line}`)
  return countTests(results)
}

/** @param isAlone false: other runs write to the terminal too, so each line says whose it is. */
async function runVitest(one: TestRun, env: NodeJS.ProcessEnv, isAlone: boolean): Promise<RunResult> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'dispatch-report-'))
  try {
    const file = path.join(folder, 'report.json')
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
    const finished = await run('vitest', ['run', ...reporters, ...one.args], {
      env: { ...env, ...one.env },
      timeoutMs: testTimeoutMs,
      output: isAlone ? 'show' : (line) => say(`${one.name} | ${line}`),
    })
    const result = { report: await readFile(file, 'utf8').catch(() => null), exitCode: finished.exitCode }
    sayResult(countTests([result]).failed === 0, one.name, finished)
    if (finished.output !== '') say(finished.output.trimEnd())
    return result
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

function sayResult(passed: boolean, name: string, { durationMs }: Finished): void {
  say(`${passed ? 'ok  ' : 'FAIL'}  ${name.padEnd(14)} ${(durationMs / 1000).toFixed(1)} s`)
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
