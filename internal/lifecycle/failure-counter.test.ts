import { describe, expect, it } from 'vitest'
import { makeFailureCounter } from './failure-counter.ts'

/** What each failure said. */
function play(sends: string): readonly boolean[] {
  const counter = makeFailureCounter()
  return sends.split('').flatMap((one) => (one === 'f' ? [counter.failure()] : (counter.success(), [])))
}

describe('failures of a connection', () => {
  it('are too many once more than half failed, and five were made', () => {
    expect(play('ffff')).toEqual([false, false, false, false])
    expect(play('fffff').at(-1)).toBe(true)
    expect(play('ssssffff').at(-1)).toBe(false)
    expect(play('ssssfffff').at(-1)).toBe(true)
  })

  it('are counted among the last twenty, whatever was before', () => {
    expect(play(`${'s'.repeat(1_000)}${'f'.repeat(10)}`).at(-1)).toBe(false)
    expect(play(`${'s'.repeat(1_000)}${'f'.repeat(11)}`).at(-1)).toBe(true)
  })
})
