import { setTimeout as delay } from 'node:timers/promises'
import { portAnswers } from '../../internal/embedded/postgres/free-port.ts'
import { runEngine } from '../dispatch/run.ts'
import { hints } from './hints.ts'
import { demoPort, demoSettings } from './settings.ts'

const readyMs = 120_000
const pollMs = 200

/**
 * `make demo`: the whole engine in this process, with nothing to install or set up beforehand, until Ctrl-C. A `.env`
 * file is not read, so the demonstration is the same on every machine.
 */
async function main(): Promise<number> {
  const environment = demoSettings(process.env)
  const port = demoPort(environment)
  const engine = runEngine(environment)
  const ended = new AbortController()
  // With another program on the port, its answers would pass for ours; the engine says that the port is taken.
  if (!(await portAnswers(port))) void sayWhenReady(port, ended.signal)
  const exitCode = await engine
  ended.abort()
  return exitCode
}

async function sayWhenReady(port: number, ended: AbortSignal): Promise<void> {
  const endMs = performance.now() + readyMs
  while (!ended.aborted && performance.now() < endMs) {
    if (await isReady(port)) return console.log(hints(port))
    await delay(pollMs, undefined, { signal: ended }).catch(() => undefined)
  }
}

async function isReady(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(2_000) })
    await response.body?.cancel()
    return response.ok
  } catch {
    return false
  }
}

process.exit(await main())
