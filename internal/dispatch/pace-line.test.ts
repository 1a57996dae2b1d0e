import { describe, expect, it } from 'vitest'
import { ManualClock } from '../testkit/manual-clock.ts'
import { PaceLine } from './pace-line.ts'

const perSecond = (limit: number) =>
  ({ kind: 'rate', scope: 'connection', limit, perMs: 1_000, burst: 1, cost: 'message' }) as const

function setup(waitersMax = 3) {
  const clock = new ManualClock()
  const line = new PaceLine(clock, waitersMax)
  const refuse = (limit: number, waitMs = 1_000 / limit) => {
    const place = line.turn('a', [perSecond(limit)], waitMs, clock.monotonicMs() + 1_000)
    if (place.kind === 'here') void line.wait('a', place.ms)
    return place
  }
  return { clock, line, refuse }
}

describe('turns of messages that a bucket refused', () => {
  it('are one interval apart: a few wait here, the others later and apart as well', () => {
    const { line, refuse } = setup()
    const places = Array.from({ length: 6 }, () => refuse(10))
    expect(places).toEqual([
      { kind: 'here', ms: 100 },
      { kind: 'here', ms: 200 },
      { kind: 'here', ms: 300 },
      { kind: 'later', ms: 100 },
      { kind: 'later', ms: 200 },
      { kind: 'later', ms: 300 },
    ])
    expect(line.waiting('a')).toBe(3)
    expect(line.waiting('b')).toBe(0)
  })

  it('begin anew when the line is empty', async () => {
    const { clock, line, refuse } = setup()
    for (let refused = 0; refused < 6; refused++) refuse(10)
    await clock.advance(300)
    expect(line.waiting('a')).toBe(0)
    expect(refuse(10)).toEqual({ kind: 'here', ms: 100 })
  })

  it('are not waited for here beyond the time that is left', () => {
    const { refuse } = setup()
    expect(refuse(1, 900)).toEqual({ kind: 'here', ms: 900 })
    expect(refuse(1, 900)).toEqual({ kind: 'later', ms: 900 })
    expect(refuse(1, 30_000)).toEqual({ kind: 'later', ms: 30_000 })
  })

  it('are a minute away at most, since much may change until then', () => {
    const { refuse } = setup(0)
    const places = Array.from({ length: 200 }, () => refuse(1))
    expect(places.at(-1)).toEqual({ kind: 'later', ms: 60_000 })
  })

  it('come as fast as the limit of sends under way lets one hope', () => {
    const clock = new ManualClock()
    const line = new PaceLine(clock, 5)
    const buckets = [{ kind: 'concurrency', limit: 4 }] as const
    const turns = Array.from({ length: 2 }, () => line.turn('a', buckets, 100, clock.monotonicMs() + 1_000).ms)
    expect(turns).toEqual([100, 125])
  })
})
