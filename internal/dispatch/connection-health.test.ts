import { describe, expect, it } from 'vitest'
import { MemoryOutletState } from '../embedded/memory-outlet-state.ts'
import { makeFailureCounter } from '../lifecycle/failure-counter.ts'
import type { LearntLimit } from '../port/bucket-figures.ts'
import type { OutletState } from '../port/outlet-state.ts'
import { ManualClock } from '../testkit/manual-clock.ts'
import { silentLogger } from '../testkit/telemetry.ts'
import { believedMs, ConnectionHealth } from './connection-health.ts'

function setup(change: (state: OutletState) => Partial<OutletState> = () => ({})) {
  const clock = new ManualClock()
  const memory = new MemoryOutletState(clock)
  const reads: (readonly string[])[] = []
  const state: OutletState = {
    read: (ids) => {
      reads.push(ids)
      return memory.read(ids)
    },
    cool: memory.cool.bind(memory),
    learn: memory.learn.bind(memory),
    open: memory.open.bind(memory),
    probe: memory.probe.bind(memory),
    close: memory.close.bind(memory),
    ...change(memory),
  }
  const ignored = { connectionSend: () => undefined, connectionState: () => undefined }
  const deps = { state, newFailureCounter: makeFailureCounter, clock, telemetry: ignored, logger: silentLogger }
  const open = () => new ConnectionHealth(deps, { openMs: 30_000, openMaxMs: 300_000 })
  const fail = (health: ConnectionHealth) => {
    for (let failed = 0; failed < 5; failed++) health.ended('a', 'transient', false)
  }
  return { clock, open, fail, reads }
}

const noKey = () => 'nobody'

describe('what is known of connections', () => {
  it('is read once for all who ask at the same time, and believed for a quarter of a second', async () => {
    const { clock, open, reads } = setup()
    const health = open()
    await Promise.all([health.refresh(['a', 'b']), health.refresh(['a']), health.refresh(['b', 'a'])])
    expect(reads).toEqual([['a', 'b']])
    expect(health.refresh(['a', 'b'])).toBeNull()
    await clock.advance(believedMs)
    await health.refresh(['a'])
    expect(reads).toEqual([['a', 'b'], ['a']])
  })

  it('reaches other processes within that time: waits, of single recipients too, and breakers', async () => {
    const { clock, open, fail } = setup()
    const [one, two] = [open(), open()]
    await two.refresh(['a', 'b', 'c'])
    one.cool('b', 7_000, null)
    one.cool('c', 7_000, 'x')
    fail(one)
    await clock.advance(believedMs)
    await two.refresh(['a', 'b', 'c'])
    expect(two.standing('a', noKey).state).toBe('open')
    expect(two.standing('b', noKey)).toEqual({ state: 'cooling', usableInMs: 7_000 - believedMs })
    expect(two.standing('c', () => 'x').usableInMs).toBe(7_000 - believedMs)
    expect(two.standing('c', noKey).usableInMs).toBe(0)
  })

  it('is not undone by an answer from before a change of its own', async () => {
    let answer: (standings: Awaited<ReturnType<OutletState['read']>>) => void = () => undefined
    const { open, fail } = setup(() => ({ read: () => new Promise((resolve) => void (answer = resolve)) }))
    const health = open()
    const reading = health.refresh(['a'])
    fail(health)
    const well = {
      opens: 0,
      openForMs: 0,
      probingForMs: 0,
      coolingForMs: 0,
      coolingRecipients: new Map(),
      learnt: null,
    }
    answer([well])
    await reading
    expect(health.standing('a', noKey).state).toBe('open')
  })

  it('keeps a wait that others do not know of', async () => {
    const { clock, open } = setup(() => ({ cool: () => undefined }))
    const health = open()
    health.cool('a', 7_000, null)
    await clock.advance(1_000)
    await health.refresh(['a'])
    expect(health.standing('a', noKey).usableInMs).toBe(6_000)
  })

  it('counts failures anew once the breaker was closed, by whomever', async () => {
    const { clock, open, fail } = setup()
    const [one, two] = [open(), open()]
    fail(one)
    await two.refresh(['a'])
    await clock.advance(30_000)
    await two.refresh(['a'])
    expect(await two.probe('a', 1_000)).toBe(true)
    two.ended('a', 'accepted', true)
    await one.refresh(['a'])
    one.ended('a', 'transient', false)
    expect(one.standing('a', noKey).state).toBe('closed')
  })

  it('of limits is told at most once a second', async () => {
    const told: LearntLimit[] = []
    const { clock, open } = setup(() => ({ learn: (_id, limit) => void told.push(limit) }))
    const health = open()
    const limit = { name: null, remaining: 1, resetAfterMs: 1 }
    for (let at = 0; at < 3; at++) health.learn('a', limit)
    await clock.advance(1_000)
    health.learn('a', limit)
    expect(told).toHaveLength(2)
  })

  it('is bounded: what is well is forgotten first', () => {
    const { open, fail } = setup()
    const health = open()
    fail(health)
    for (let at = 0; at < 5_000; at++) health.standing(`c${at}`, noKey)
    expect(health.standing('a', noKey).state).toBe('open')
  })
})
