import { describe, expect, it } from 'vitest'
import { readNumbers } from './numbers.ts'
import { readStanding } from './outlet-state.ts'

describe('answers of scripts', () => {
  it('are so many numbers', () => {
    expect(readNumbers([3, 1_500], 2)).toEqual([3, 1_500])
  })

  it.each([[null], ['OK'], [[]], [[1]], [[1, 2, 3]], [['1', '2']]])('%j is refused rather than guessed at', (reply) => {
    expect(() => readNumbers(reply, 2)).toThrow(TypeError)
    expect(() => readStanding(reply)).toThrow(TypeError)
  })
})
