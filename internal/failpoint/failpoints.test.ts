import { describe, expect, it } from 'vitest'
import { DependencyUnavailableError } from '../domain/errors.ts'
import { failpointsOf, rule, stateOf } from './failpoint.suite.ts'
import { FailpointError } from './failpoints.ts'

describe('failpoints', () => {
  it('let everything pass where none is set', async () => {
    const { failpoints, logger } = failpointsOf([rule('ack', 'drop')])
    expect(await failpoints.pass('receive')).toBe('go on')
    expect(logger.lines).toEqual([])
  })

  it('end the process without a word, and nothing happens after', async () => {
    const { failpoints, killed, logger } = failpointsOf([rule('claim.after', 'kill')])
    expect(await stateOf(failpoints.pass('claim.after'))).toBe('pending')
    expect([killed.count, logger.lines]).toEqual([1, []])
  })

  it('throw, drop or delay, and say so', async () => {
    const { failpoints, clock, logger } = failpointsOf([
      rule('send.before', 'throw'),
      rule('send.afterBytes', 'drop'),
      rule('send.afterAnswer', 'delay'),
    ])
    await expect(failpoints.pass('send.before')).rejects.toThrow(FailpointError)
    expect(await failpoints.pass('send.afterBytes')).toBe('drop')
    const delayed = failpoints.pass('send.afterAnswer')
    await clock.advance(199)
    expect(await stateOf(delayed)).toBe('pending')
    await clock.advance(1)
    expect(await delayed).toBe('go on')
    expect(logger.of('info').map(({ fields }) => fields)).toEqual([
      { point: 'send.before', action: 'throw' },
      { point: 'send.afterBytes', action: 'drop' },
      { point: 'send.afterAnswer', action: 'delay' },
    ])
  })

  it('look like a lost link to a statement', async () => {
    const { failpoints } = failpointsOf([rule('settle.before', 'drop')])
    await expect(failpoints.passStatement('settle.before')).rejects.toThrow(DependencyUnavailableError)
  })

  it('fire at the n-th passage only', () => {
    const { failpoints } = failpointsOf([rule('ack', 'drop', { nth: 3 })])
    const hits = Array.from({ length: 6 }, () => failpoints.draw('ack') !== null)
    expect(hits).toEqual([false, false, true, false, false, false])
  })

  it('fire about as often as asked, the same way for the same seed, whatever passes elsewhere', () => {
    const rules = [rule('ack', 'drop', { probability: 0.1 }), rule('receive', 'drop', { probability: 0.5 })]
    const row = (seed: number, between: (one: ReturnType<typeof failpointsOf>) => void) => {
      const world = failpointsOf(rules, seed)
      return Array.from({ length: 2_000 }, () => {
        between(world)
        return world.failpoints.draw('ack') !== null
      })
    }
    const first = row(7, () => undefined)
    expect(first.filter(Boolean).length).toBeGreaterThan(150)
    expect(first.filter(Boolean).length).toBeLessThan(250)
    expect(row(7, ({ failpoints }) => void failpoints.draw('receive'))).toEqual(first)
    expect(row(8, () => undefined)).not.toEqual(first)
  })

  it('can be narrowed to notifications of one content, and count only their passages', () => {
    const { failpoints } = failpointsOf([rule('send.before', 'throw', { content: 'POISON', nth: 2 })])
    const draw = (...contents: string[]) => failpoints.draw('send.before', contents) !== null
    expect([draw('fine'), draw('a POISON pill'), draw('fine'), draw('fine', 'POISON')]).toEqual([
      false,
      false,
      false,
      true,
    ])
  })

  it('let the first rule that fires decide, while all count', () => {
    const { failpoints } = failpointsOf([rule('ack', 'drop', { nth: 2 }), rule('ack', 'throw', { nth: 3 })])
    expect([1, 2, 3].map(() => failpoints.draw('ack')?.kind)).toEqual([undefined, 'drop', 'throw'])
  })
})
