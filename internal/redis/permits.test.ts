import { describe, expect, it } from 'vitest'
import { readPermits } from './permits.ts'

describe('readPermits', () => {
  it('reads the two numbers of the script', () => {
    expect(readPermits([3, 1_500])).toEqual({ granted: 3, retryAfterUs: 1_500 })
  })

  it.each([[null], ['OK'], [[]], [[1]], [['1', '2']]])('refuses %j rather than guessing permits', (reply) => {
    expect(() => readPermits(reply)).toThrow(TypeError)
  })
})
