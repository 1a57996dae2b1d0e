import { describe, expect, it } from 'vitest'
import { aTry, primaryAndSecondary, RouteWorld, single, transient } from '../testkit/route-world.ts'

describe('which connection is used', () => {
  it('none: without a route and a name the plain provider serves', async () => {
    const world = new RouteWorld()
    const id = await world.send(world.process())
    expect(world.plainSends).toEqual([id])
    expect(world.row(id).status).toBe('SENT')
  })

  it('the one that the notification names, even without a route', async () => {
    const world = new RouteWorld()
    const { a, b } = primaryAndSecondary(world)
    world.route = null
    const id = await world.send(world.process(), { provider: 'b' })
    expect([a.sends.length, b.sends.length, world.plainSends.length]).toEqual([0, 1, 0])
    expect(world.attempts(id)).toEqual(['b ok'])
  })

  it('the secondary for the next attempt, one back-off after the primary failed; then they take turns', async () => {
    const world = new RouteWorld()
    const { a, b } = primaryAndSecondary(world)
    a.answer = transient
    b.answer = () => (b.sends.length < 2 ? transient() : aTry())
    const process = world.process()
    const id = await world.send(process)
    const startMs = world.clock.monotonicMs()
    await world.pass(30_000, process)
    expect(world.attempts(id)).toEqual(['a transient', 'b transient', 'a transient', 'b ok'])
    expect(b.sends[0]?.atMs).toBe(startMs + 1_000)
  })

  it('the next tier while the first is disabled or paused', async () => {
    const world = new RouteWorld()
    const { a, b } = primaryAndSecondary(world)
    world.disabled.add('a')
    await world.send(world.process())
    expect([a.sends.length, b.sends.length]).toEqual([0, 1])
  })

  it('none of those that are gone: it waits without an attempt, soon looked for again, then ever less often', async () => {
    const world = new RouteWorld()
    const a = single(world)
    world.disabled.add('a')
    const process = world.process()
    const startMs = world.clock.monotonicMs()
    const id = await world.send(process, { maxRetries: 1 })
    const looksAtSeconds: number[] = []
    for (let look = 0; look < 7; look++) {
      const dueAtMs = world.row(id).dueAtMs ?? Number.NaN
      looksAtSeconds.push((dueAtMs - startMs) / 1_000)
      await world.pass(dueAtMs - world.clock.monotonicMs(), process)
    }
    expect(looksAtSeconds).toEqual([2, 4, 8, 16, 32, 64, 124])
    expect(world.row(id)).toMatchObject({ status: 'QUEUED', attemptCount: 0, attempts: [] })
    world.disabled.delete('a')
    await world.pass(60_000, process)
    expect(world.attempts(id)).toEqual(['a ok'])
    expect(a.sends).toHaveLength(1)
  })
})

describe('an outcome that nobody knows', () => {
  it('ends as parked where a repeat could not be dropped, and is never sent again by itself', async () => {
    const world = new RouteWorld()
    const { a, b } = primaryAndSecondary(world)
    a.answer = () => aTry({ class: 'ambiguous', code: 'timeout' })
    const process = world.process()
    const id = await world.send(process)
    await world.pass(600_000, process)
    expect(world.row(id)).toMatchObject({ status: 'FAILED', reason: 'parked', outcomeUnknown: true })
    expect([a.sends.length, b.sends.length]).toEqual([1, 0])
    const wanted = { tenant: 'default', id, generation: 0 }
    expect(await world.store.replay({ ...wanted, force: false })).toMatchObject({ kind: 'conflict' })
    expect(await world.store.replay({ ...wanted, force: true })).toMatchObject({ kind: 'replayed' })
  })

  it('is repeated over that very connection where a repeat is dropped, and nowhere else', async () => {
    const world = new RouteWorld()
    const { a, b } = primaryAndSecondary(world)
    a.repeatable = true
    const answers = [aTry({ class: 'ambiguous' }), transient(), aTry({ class: 'rate_limited' })]
    a.answer = () => answers.shift() ?? aTry()
    const process = world.process()
    const id = await world.send(process)
    await world.pass(60_000, process)
    expect(world.attempts(id)).toEqual(['a unknown', 'a transient', 'a rate_limited', 'a ok'])
    expect(b.sends).toEqual([])
  })

  it('waits as long as that connection asks, though another could take it', async () => {
    const world = new RouteWorld()
    const { a } = primaryAndSecondary(world)
    a.repeatable = true
    const answers = [aTry({ class: 'ambiguous' }), aTry({ class: 'rate_limited', retryAfterMs: 7_000 })]
    a.answer = () => answers.shift() ?? aTry()
    const process = world.process()
    const id = await world.send(process)
    await world.pass(1_000, process)
    expect(world.attempts(id)).toEqual(['a unknown', 'a rate_limited'])
    expect(world.row(id).nextRetryAtMs).toBe(world.clock.monotonicMs() + 7_000)
  })

  it('waits for that connection while it is disabled', async () => {
    const world = new RouteWorld()
    const { a, b } = primaryAndSecondary(world)
    a.repeatable = true
    a.answer = () => aTry({ class: 'ambiguous' })
    const process = world.process()
    const id = await world.send(process)
    world.disabled.add('a')
    await world.pass(300_000, process)
    expect(world.row(id)).toMatchObject({ status: 'QUEUED', attemptCount: 1 })
    expect(b.sends).toEqual([])
  })

  it.each([
    [false, 'FAILED', 'parked'],
    [true, 'SENT', null],
  ])('a worker vanished without a word, repeats are dropped: %s', async (repeatable, status, reason) => {
    const world = new RouteWorld()
    const a = single(world)
    a.repeatable = repeatable
    const process = world.process()
    const [ref] = world.store.add({ channel: 'SMS', priority: 'NORMAL' }, 1)
    if (ref === undefined) throw new Error('a row was asked for')
    await world.store.claim([ref], { owner: 'gone', durationMs: 1_000 })
    await world.clock.advance(2_000)
    await world.store.sweepOrphans(10, 1_000)
    await world.pass(5_000, process)
    expect(world.row(ref.id)).toMatchObject({ status, reason })
    expect(a.sends).toHaveLength(repeatable ? 1 : 0)
  })

  it('includes a bug inside a connection', async () => {
    const world = new RouteWorld()
    const a = single(world)
    a.answer = () => {
      throw new Error('bug')
    }
    const id = await world.send(world.process())
    expect(world.row(id)).toMatchObject({ status: 'FAILED', reason: 'parked' })
  })
})

describe('a provider that asks for a pause', () => {
  it('is not tried earlier, burns no budget, and nobody else tries it meanwhile', async () => {
    const world = new RouteWorld()
    const a = single(world)
    const answers = [aTry({ class: 'rate_limited', retryAfterMs: 7_000 })]
    a.answer = () => answers.shift() ?? aTry()
    const process = world.process()
    const startMs = world.clock.monotonicMs()
    const first = await world.send(process, { maxRetries: 1 })
    const second = await world.send(process, { maxRetries: 1 })
    await world.pass(6_999, process)
    expect(a.sends).toHaveLength(1)
    await world.pass(1_000, process)
    expect([world.row(first).status, world.row(second).status]).toEqual(['SENT', 'SENT'])
    expect(a.sends[1]?.atMs).toBeGreaterThanOrEqual(startMs + 7_000)
    expect(world.row(second).attemptCount).toBe(1)
  })

  it('leaves the way open over the secondary at once', async () => {
    const world = new RouteWorld()
    const { a } = primaryAndSecondary(world)
    a.answer = () => aTry({ class: 'rate_limited', retryAfterMs: 7_000 })
    const process = world.process()
    const id = await world.send(process, { maxRetries: 1 })
    await world.pass(1, process)
    expect(world.attempts(id)).toEqual(['a rate_limited', 'b ok'])
  })

  it('for one recipient only holds back nobody else', async () => {
    const world = new RouteWorld()
    const a = single(world)
    let isLimited = true
    a.answer = ({ recipient }) =>
      isLimited && recipient === 'x' ? aTry({ class: 'rate_limited', retryAfterMs: 7_000, scope: 'recipient' }) : aTry()
    const process = world.process()
    const x = await world.send(process, { recipient: 'x' })
    isLimited = false
    const again = await world.send(process, { recipient: 'x' })
    const y = await world.send(process, { recipient: 'y' })
    expect([x, again, y].map((id) => world.row(id).status)).toEqual(['QUEUED', 'QUEUED', 'SENT'])
    await world.pass(8_000, process)
    expect([x, again].map((id) => world.row(id).status)).toEqual(['SENT', 'SENT'])
  })

  it('for ever ends when the notification’s time is over', async () => {
    const world = new RouteWorld(3_600_000)
    const a = single(world)
    a.answer = () => aTry({ class: 'rate_limited' })
    const process = world.process()
    const id = await world.send(process, { maxRetries: 1 })
    await world.pass(3_700_000, process)
    expect(world.row(id)).toMatchObject({ status: 'FAILED', reason: 'expired' })
    expect(a.sends.length).toBeLessThan(80)
  })

  it('because its quota is spent is left alone until the reset', async () => {
    const world = new RouteWorld(100 * 86_400_000)
    const { a, b } = primaryAndSecondary(world)
    const resetMs = 10 * 86_400_000
    const answers = [aTry({ class: 'quota_exhausted', retryAfterMs: resetMs })]
    a.answer = () => answers.shift() ?? aTry()
    const process = world.process()
    const startMs = world.clock.monotonicMs()
    const moved = await world.send(process, { maxRetries: 1 })
    await world.pass(1, process)
    expect(world.attempts(moved)).toEqual(['a quota_exhausted', 'b ok'])
    world.disabled.add('b')
    const waiting = await world.send(process)
    await world.pass(resetMs + 120_000, process)
    expect(world.attempts(waiting)).toEqual(['a ok'])
    expect(a.sends[1]?.atMs).toBeGreaterThanOrEqual(startMs + resetMs)
    expect(b.sends).toHaveLength(1)
  })

  it('with the last permit of its own count is asked again after the reset', async () => {
    const world = new RouteWorld()
    const a = single(world)
    a.answer = () => aTry({ throttle: { remaining: 0, resetAfterMs: 5_000, bucket: 'x' } })
    const process = world.process()
    await world.send(process)
    const second = await world.send(process)
    expect(world.row(second)).toMatchObject({ status: 'QUEUED', attemptCount: 0 })
    await world.pass(5_100, process)
    expect(world.row(second).status).toBe('SENT')
  })

  it('sets the shortest time to the next try, whatever failed', async () => {
    const world = new RouteWorld()
    const a = single(world)
    const answers = [aTry({ class: 'transient', minDelayMs: 5_000 })]
    a.answer = () => answers.shift() ?? aTry()
    const process = world.process()
    await world.send(process)
    await world.pass(10_000, process)
    const [first, second] = a.sends
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(5_000)
  })
})

describe('a connection that is wrong', () => {
  it('is paused with what the provider said, the message goes elsewhere and burns nothing', async () => {
    const world = new RouteWorld()
    const { a, b } = primaryAndSecondary(world)
    a.answer = () => aTry({ class: 'config', code: 'http_401', message: 'bad key' })
    const process = world.process()
    const id = await world.send(process, { maxRetries: 1 })
    await world.pass(1, process)
    expect(world.attempts(id)).toEqual(['a config', 'b ok'])
    expect(world.pauses).toEqual([{ id: 'a', code: 'config', reason: 'http_401: bad key' }])
    expect([a.sends.length, b.sends.length]).toEqual([1, 1])
  })

  it('is waited for until an operator clears it', async () => {
    const world = new RouteWorld()
    const a = single(world)
    const answers = [aTry({ class: 'config' })]
    a.answer = () => answers.shift() ?? aTry()
    const process = world.process()
    const id = await world.send(process, { maxRetries: 1 })
    await world.pass(600_000, process)
    expect(world.attempts(id)).toEqual(['a config'])
    world.disabled.clear()
    await world.pass(61_000, process)
    expect(world.attempts(id)).toEqual(['a config', 'a ok'])
  })
})

describe('what is the message’s own fault', () => {
  it.each(['permanent', 'recipient_invalid', 'opted_out'] as const)('%s ends it without another try', async (said) => {
    const world = new RouteWorld()
    const { a, b } = primaryAndSecondary(world)
    a.answer = () => aTry({ class: said })
    const process = world.process()
    const id = await world.send(process)
    await world.pass(60_000, process)
    expect(world.row(id)).toMatchObject({ status: 'FAILED', reason: 'permanent_error' })
    expect(world.attempts(id)).toEqual(['a permanent'])
    expect(b.sends).toEqual([])
  })
})
