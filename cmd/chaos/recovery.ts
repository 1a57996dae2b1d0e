import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '../../internal/testkit/eventually.ts'
import { leaseMs, type World } from './world.ts'

/** `/readyz` has to be green again within this after a fault. */
export const readyWithinMs = 15_000
/** Waiting goes on beyond what is promised, so that the rest can be checked; then something is stuck. */
const readyAtMostMs = 60_000
/** Longer than a look-again time and a lease: then the report shows what happened to the last rows. */
const worthTellingMs = 33_000
const drainAtMostMs = 780_000
/** What the slowest machine drains; the bound of invariant 10 counts on it. */
const throughputPerSecond = 100
/** A breaker stays open for 30 s; whoever tries it then may meet a target that misbehaves: 60 s more, then 120 s more. */
const breakersMs = 210_000
/** With a limit, of which retries use a share, and three channels that may be loaded unevenly. */
const throughputPerLimit = 1.5

/** Waits until every engine says that it is ready. @returns milliseconds since `sinceMs`; notes it when it took too long. */
export async function untilReady(world: World, sinceMs: number, what: string): Promise<number> {
  for (;;) {
    const answers = await Promise.all(
      world.replicas.map(({ engine }) =>
        fetch(`${engine.url}/readyz`, { signal: AbortSignal.timeout(3_000) }).then(
          async (answer) => (await answer.text()) && answer.status === 200,
          () => false,
        ),
      ),
    )
    const tookMs = performance.now() - sinceMs
    if (answers.every(Boolean)) {
      if (tookMs > readyWithinMs) note(world, `${what}: ready only after ${Math.round(tookMs)} ms`)
      return tookMs
    }
    if (tookMs > readyAtMostMs) {
      const logs = world.replicas.map(({ engine }) => engine.lastLines).join('\n')
      note(world, `${what}: not ready ${Math.round(tookMs)} ms after the fault\n${logs}`)
      return tookMs
    }
    await delay(25)
  }
}

/** Waits until no row is unfinished, with the client at rest. @returns milliseconds it took. */
export async function drain(world: World, what: string): Promise<number> {
  const startedMs = performance.now()
  const look = () => eventually(() => world.history.unfinished(), { withinMs: 10_000, everyMs: 200 })
  const backlog = await look()
  const { limit, isVia } = world
  const perSecond = limit === 0 ? throughputPerSecond : Math.min(throughputPerSecond, limit * throughputPerLimit)
  const allowedMs = 2 * leaseMs + (backlog / perSecond) * 1_000 + (isVia ? breakersMs : 0)
  let slowest: readonly { readonly id: string }[] = []
  for (let left = backlog; left > 0; left = await look()) {
    const tookMs = performance.now() - startedMs
    if (tookMs > Math.max(drainAtMostMs, allowedMs)) {
      note(world, `${what}: ${left} rows are stuck: ${JSON.stringify(await world.history.stuck())}`)
      return tookMs
    }
    if (tookMs > worthTellingMs && slowest.length === 0) slowest = await world.history.stuck()
    await delay(100)
  }
  const tookMs = performance.now() - startedMs
  if (slowest.length > 0) world.remarks.push(`slow rows:${await world.history.story(slowest.map(({ id }) => id))}`)
  if (tookMs > allowedMs) {
    note(world, `${what}: ${backlog} rows took ${Math.round(tookMs)} ms, allowed were ${Math.round(allowedMs)}`)
  }
  return tookMs
}

function note(world: World, text: string): void {
  world.wrong.push({ invariant: 10, text })
}
