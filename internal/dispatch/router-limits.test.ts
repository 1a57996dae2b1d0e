import { describe, expect, it } from 'vitest'
import { aTry, primaryAndSecondary, RouteWorld, single, transient } from '../testkit/route-world.ts'

/** Enough failures for the breaker. */
async function breakConnection(world: RouteWorld, process: ReturnType<RouteWorld['process']>): Promise<void> {
  for (let failed = 0; failed < 5; failed++) await world.send(process, { maxRetries: 1 })
}

describe('a circuit breaker', () => {
  it('opens on failures, is half open for one send over all processes, closes on its success', async () => {
    const world = new RouteWorld()
    const a = single(world)
    a.answer = transient
    const [one, two] = [world.process(), world.process()]
    await breakConnection(world, one)
    expect(a.sends).toHaveLength(5)
    const waiting = [await world.send(one), await world.send(two), await world.send(two)]
    expect(a.sends).toHaveLength(5)
    expect([one.states.get('a'), two.states.get('a')]).toEqual(['open', 'open'])
    await world.pass(29_000, one, two)
    expect(a.sends).toHaveLength(5)
    a.answer = () => aTry()
    a.takesMs = 500
    await world.pass(1_200, one, two)
    expect(a.sends).toHaveLength(6)
    await world.pass(60_000, one, two)
    expect(waiting.map((id) => world.row(id).status)).toEqual(['SENT', 'SENT', 'SENT'])
    expect(waiting.map((id) => world.row(id).attemptCount)).toEqual([1, 1, 1])
    expect([one.states.get('a'), two.states.get('a')]).toEqual(['closed', 'closed'])
  })

  it('stays open longer with every try in vain', async () => {
    const world = new RouteWorld()
    const a = single(world)
    a.answer = transient
    const process = world.process()
    await breakConnection(world, process)
    await world.send(process, { maxRetries: 100 })
    await world.pass(600_000, process)
    const tries = a.sends.slice(5).map(({ atMs }) => atMs)
    const pauses = tries.slice(1).map((atMs, index) => atMs - (tries[index] ?? 0))
    expect(pauses[0]).toBeGreaterThanOrEqual(60_000)
    expect(pauses[1]).toBeGreaterThanOrEqual(120_000)
  })

  it('sends over the secondary without an attempt over the primary', async () => {
    const world = new RouteWorld()
    const { a, b } = primaryAndSecondary(world)
    a.answer = transient
    const process = world.process()
    await breakConnection(world, process)
    const id = await world.send(process)
    expect(world.attempts(id)).toEqual(['b ok'])
    expect([a.sends.length, b.sends.length]).toEqual([5, 1])
  })

  it.each(['rate_limited', 'permanent', 'opted_out'] as const)('does not count %s', async (said) => {
    const world = new RouteWorld()
    const a = single(world)
    a.answer = () => aTry({ class: said, scope: 'recipient' })
    const process = world.process()
    for (let sent = 0; sent < 20; sent++) await world.send(process, { maxRetries: 1, recipient: `r${sent}` })
    expect(a.sends).toHaveLength(20)
    expect(process.states.get('a')).toBe('closed')
  })

  it('works in each process alone while the others are out of reach', async () => {
    const world = new RouteWorld()
    const ignored = () => undefined
    const away = async () => null
    world.state = { read: away, probe: away, cool: ignored, learn: ignored, open: ignored, close: ignored }
    const a = single(world)
    a.answer = transient
    const [one, two] = [world.process(), world.process()]
    await breakConnection(world, one)
    const held = await world.send(one)
    expect(world.row(held).attemptCount).toBe(0)
    a.answer = () => aTry()
    const sent = await world.send(two)
    expect(world.row(sent).status).toBe('SENT')
    await world.pass(31_000, one)
    expect(world.row(held).status).toBe('SENT')
  })
})

describe('buckets of a connection', () => {
  const perSecond = (limit: number) =>
    ({ kind: 'rate', scope: 'connection', limit, perMs: 1_000, burst: 1, cost: 'message' }) as const

  it('spread a burst over time, each message with a single attempt', async () => {
    const world = new RouteWorld()
    const a = single(world)
    a.buckets = [perSecond(10)]
    const process = world.process()
    const ids = []
    for (let sent = 0; sent < 30; sent++) ids.push(await world.send(process))
    await world.pass(10_000, process)
    expect(ids.map((id) => world.attempts(id))).toEqual(ids.map(() => ['a ok']))
    for (const [index, { atMs }] of a.sends.entries()) {
      const before = a.sends[index - 1]
      if (before !== undefined) expect(atMs - before.atMs).toBeGreaterThanOrEqual(100)
    }
  })

  it('that are empty let the next tier serve', async () => {
    const world = new RouteWorld()
    const { a, b } = primaryAndSecondary(world)
    a.buckets = [perSecond(1)]
    const process = world.process()
    await world.send(process)
    await world.send(process)
    expect([a.sends.length, b.sends.length]).toEqual([1, 1])
  })

  it('of sends under way are given back, after the send and at the deadline', async () => {
    const world = new RouteWorld()
    const a = single(world, { tryTimeoutMs: 2_000 })
    a.repeatable = true
    a.buckets = [{ kind: 'concurrency', limit: 1 }]
    a.takesMs = 5_000
    const process = world.process()
    const [first, second] = [await world.send(process), await world.send(process)]
    a.takesMs = 100
    await world.pass(5_000, process)
    expect(a.sends[0]?.abortedAfterMs).toBe(2_000)
    // Long before a place that is not given back would be free again.
    expect([first, second].map((id) => world.row(id).status)).toEqual(['SENT', 'SENT'])
    expect(world.row(second).attemptCount).toBe(1)
  })
})

describe('deadlines of a route', () => {
  it('bound one try, never beyond the job timeout', async () => {
    const world = new RouteWorld()
    const a = single(world, { tryTimeoutMs: 60_000 })
    a.takesMs = 30_000
    const process = world.process()
    await world.send(process)
    await world.pass(20_000, process)
    expect(a.sends[0]?.abortedAfterMs).toBe(10_000)
  })

  it('bound the whole: what cannot be tried again in time ends now', async () => {
    const world = new RouteWorld()
    const a = single(world, { totalTimeoutMs: 5_000 })
    a.answer = transient
    const process = world.process()
    const id = await world.send(process)
    await world.pass(6_000, process)
    expect(world.row(id)).toMatchObject({ status: 'FAILED', reason: 'expired', outcomeUnknown: false })
    expect(world.attempts(id)).toEqual(['a transient', 'a transient', 'a transient'])
  })

  it('bound the waiting, and the attempt log says what was waited for', async () => {
    const world = new RouteWorld()
    single(world, { totalTimeoutMs: 90_000 })
    world.disabled.add('a')
    const process = world.process()
    const id = await world.send(process)
    await world.pass(89_000, process)
    expect(world.row(id).status).toBe('QUEUED')
    await world.pass(2_000, process)
    expect(world.row(id)).toMatchObject({ status: 'FAILED', reason: 'expired' })
    expect(world.attempts(id)).toEqual(['- permanent'])
  })

  it('count from when it was due, not from the accept', async () => {
    const world = new RouteWorld()
    single(world, { totalTimeoutMs: 5_000 })
    const process = world.process()
    const id = await world.send(process, { scheduledAt: new Date(world.clock.monotonicMs() + 60_000) })
    await world.pass(61_000, process)
    expect(world.attempts(id)).toEqual(['a ok'])
  })

  it('count no more after a replay, which has a time to live of its own', async () => {
    const world = new RouteWorld()
    const a = single(world, { totalTimeoutMs: 5_000 })
    a.answer = () => aTry({ class: 'permanent' })
    const process = world.process()
    const id = await world.send(process)
    await world.pass(60_000, process)
    a.answer = () => aTry()
    await world.store.replay({ tenant: 'default', id, generation: 0, force: false })
    await world.pass(60_000, process)
    expect(world.attempts(id)).toEqual(['a permanent', 'a ok'])
  })
})
