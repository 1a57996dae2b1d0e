import { describe, expect, it } from 'vitest'
import type { Facts } from './facts.ts'
import { checkPace } from './pace.ts'
import { delivery, disturbance, facts, life } from './test-facts.ts'

const perSecond = 50
const pace = { perSecond, burst: 5 }

const own = { replicas: 1, areShared: false }
const restarts = Array.from({ length: 20 }, (_, n) => 11_000 + n * 100)

/** Deliveries at that rate for 20 s, and so many more at the 10th second. */
function paced(rate: number, more: number, rest: Partial<Facts> = {}): Facts {
  const even = Array.from({ length: rate * 20 }, (_, n) => delivery(1_000 + (n * 1_000) / rate))
  const extra = Array.from({ length: more }, () => delivery(11_000))
  return facts({ deliveries: [...even, ...extra].sort((a, b) => a.at - b.at), pace, ...rest })
}

const numbers = (some: Facts) => checkPace(some).map(({ invariant }) => invariant)

describe('the limit of a channel', () => {
  it('is kept by deliveries at its rate, with a burst and what was late', () => {
    expect(numbers(paced(perSecond, 5))).toEqual([])
  })

  it('is broken by a rate that is a little higher for long', () => {
    expect(numbers(paced(perSecond * 1.2, 0))).toEqual([7])
  })

  it('is broken by too many at once', () => {
    expect(numbers(paced(perSecond, 120))).toEqual([7])
  })

  it('holds for each channel on its own', () => {
    const sms = paced(perSecond, 0).deliveries
    const other = sms.map((one) => ({ ...one, channel: 'EMAIL' }))
    expect(numbers(facts({ deliveries: [...sms, ...other], pace }))).toEqual([])
  })

  it.each<[string, Partial<Facts>]>([
    ['Redis was wiped', { disturbances: restarts.map((at) => disturbance('redis', at, at)) }],
    [
      'an engine with a counter of its own began',
      { lives: restarts.map((startedAt) => life({ startedAt })), counters: own },
    ],
  ])('costs a burst each time when %s', (_, rest) => {
    const even = paced(perSecond, 0).deliveries
    const bursts = restarts.flatMap((at) => Array.from({ length: pace.burst }, () => delivery(at + 1)))
    const deliveries = [...even, ...bursts].sort((a, b) => a.at - b.at)
    expect(numbers(facts({ deliveries, pace, ...rest }))).toEqual([])
    expect(numbers(facts({ deliveries, pace }))).toEqual([7])
  })

  it('is not judged by arrivals that were held back', () => {
    const frozen = { ...disturbance('target', 8_000, 10_500) }
    expect(numbers(paced(perSecond, 300, { disturbances: [frozen] }))).toEqual([])
  })
})
