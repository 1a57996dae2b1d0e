import { describe, expect, it } from 'vitest'
import { acceptedSchema } from '../../internal/httpapi/response-schemas.ts'
import { eventually } from '../../internal/testkit/eventually.ts'
import type { AcceptedBatch } from './harness/client.ts'
import { lookUpPostmaster } from './harness/embedded-ground.ts'
import { profiles } from './harness/profiles.ts'
import { plain, plainItems, untilFound, untilStatus, untilTotal } from './harness/requests.ts'
import { useWorld } from './harness/world.ts'

const concurrency = 16
const killedCount = 500
const stoppedCount = 300

/** One story: what was under way at a kill -9 comes back when its lease ends, and the orderly stop uses that time. */
describe.each(profiles)('restart ($name)', (profile) => {
  const world = useWorld(profile, { settings: { WORKER_CONCURRENCY: String(concurrency) } })
  let killed: AcceptedBatch['notifications'] = []
  let stopped: AcceptedBatch['notifications'] = []
  let killedAtMs = Number.NaN

  function deliveredOf(batch: AcceptedBatch['notifications']): number {
    const deliveries = world.deliveries()
    return batch.filter(({ id }) => deliveries.has(id)).length
  }

  it('is ready again after kill -9 in the middle of its work', async () => {
    world.sink.behave('slow:60')
    killed = (await world.client.createBatch(plainItems(killedCount))).notifications
    await eventually(() => world.sink.count() >= 150)
    await world.engine.kill9()
    killedAtMs = Date.now()
    expect(world.sink.count()).toBeLessThan(killedCount)
    if (profile.name === 'embedded') expect(await lookUpPostmaster(world.ground.settings)).not.toBeNull()
    await world.engine.start()
  })

  it('stops in order under load: what it has begun it ends, then it exits with code 0', async () => {
    const from = world.sink.count()
    stopped = (await world.client.createBatch(plainItems(stoppedCount, { priority: 'HIGH' }))).notifications
    await eventually(() => deliveredOf(stopped) >= 60)
    expect(await world.engine.terminate()).toEqual({ code: 0, signal: null })
    const delivered = deliveredOf(stopped)
    console.log(`${profile.name}: ${delivered} of ${stoppedCount} were sent before the stop`)
    expect(delivered).toBeLessThan(stoppedCount)
    expect(world.sink.received(from).filter(({ status }) => status !== 200)).toEqual([])
    if (profile.name === 'embedded') expect(await lookUpPostmaster(world.ground.settings)).toBeNull()
    await world.engine.start()
  })

  it('has sent everything in the end: nothing lost, and nothing twice but what the kill left open', async () => {
    await untilTotal(world.client, 'SENT', killedCount + stoppedCount, 60_000)
    const deliveries = world.deliveries()
    const twice = killed.filter(({ id }) => (deliveries.get(id)?.length ?? 0) > 1)
    const seconds = (Date.now() - killedAtMs) / 1_000
    console.log(`${profile.name}: everything SENT ${seconds.toFixed(1)} s after kill -9, ${twice.length} of it twice`)
    for (const { id } of killed) {
      const [first, ...others] = deliveries.get(id) ?? []
      expect(first?.key).toBe(`${id}:0`)
      // What was under way when the process died goes out again, once, under the same key.
      expect(others.length).toBeLessThanOrEqual(1)
      for (const other of others) expect(other.key).toBe(`${id}:0`)
      if (others.length > 0) expect(first?.at).toBeLessThanOrEqual(killedAtMs)
    }
    expect(twice.length).toBeLessThanOrEqual(concurrency * 2)
    expect(stopped.map(({ id }) => deliveries.get(id)?.length)).toEqual(stopped.map(() => 1))
  })

  it('numbers the attempts of what was under way without gaps', async () => {
    const twice = [...world.deliveries()].filter(([, all]) => all.length > 1).map(([id]) => id)
    const others = [...killed, ...stopped].slice(0, 600).filter((_, index) => index % 50 === 0)
    for (const id of [...twice, ...others.map((one) => one.id)]) {
      const { attempts = [], attemptCount } = await world.client.get(id)
      expect(attempts.map(({ number }) => number)).toEqual(Array.from({ length: attemptCount }, (_, at) => at + 1))
      if (twice.includes(id)) expect(attempts.map(({ outcome }) => outcome)).toEqual(['abandoned', 'ok'])
    }
  })

  if (profile.name === 'embedded') {
    it('starts a PostgreSQL that died again; meanwhile requests wait or get a 503', async () => {
      world.sink.behave(null)
      const postmaster = await lookUpPostmaster(world.ground.settings)
      process.kill(postmaster ?? Number.NaN, 'SIGKILL')
      const statuses = new Set<number>()
      const { id } = await untilFound('an accepted request', async () => {
        const answer = await world.client.post('/v1/notifications', plain())
        statuses.add(answer.status)
        return answer.status === 202 ? acceptedSchema.parse(answer.json) : null
      })
      expect([...statuses].filter((status) => status !== 202 && status !== 503)).toEqual([])
      await untilStatus(world.client, id, 'SENT', 15_000)
      expect(await lookUpPostmaster(world.ground.settings)).not.toBe(postmaster)
    })
  }

  it('is not ready while it stops, and ends at once at the second signal', async () => {
    await world.engine.terminate()
    await world.engine.start({ JOB_TIMEOUT: '20s', LEASE_SECONDS: '60', SHUTDOWN_TIMEOUT: '30s' })
    const before = world.sink.count()
    world.sink.behave('hang')
    await world.client.createBatch(plainItems(3))
    await eventually(() => world.sink.count() === before + 3)
    world.engine.signal('SIGTERM')
    await eventually(async () => expect(await readiness(world.engine.url)).not.toBe(200))
    expect(world.engine.isRunning).toBe(true)
    // Signals that follow each other at once count as one: a Ctrl-C may arrive twice.
    const again = () => {
      world.engine.signal('SIGTERM')
      return !world.engine.isRunning
    }
    await eventually(again, { withinMs: 2_000, everyMs: 100 })
    expect(await world.engine.exited()).toEqual({ code: 1, signal: null })
    // Even then PostgreSQL gets its signal.
    await eventually(async () => expect(await lookUpPostmaster(world.ground.settings)).toBeNull(), { withinMs: 15_000 })
  })
})

/** Null when no new connection is taken any more: a balancer understands that as well. */
async function readiness(url: string): Promise<number | null> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) })
    await response.body?.cancel()
    return response.status
  } catch {
    return null
  }
}
