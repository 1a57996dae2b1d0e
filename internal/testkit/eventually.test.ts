import { describe, expect, it } from 'vitest'
import { eventually } from './eventually.ts'

describe('eventually', () => {
  it('tries again until the check holds, and gives back its value', async () => {
    let tries = 0
    const value = await eventually(
      () => {
        if (++tries < 3) throw new Error('not yet')
        return tries
      },
      { everyMs: 1 },
    )
    expect(value).toBe(3)
  })

  it('takes false for not yet', async () => {
    let tries = 0
    await eventually(() => ++tries === 2, { everyMs: 1 })
    expect(tries).toBe(2)
  })

  it('fails with the last reason when the time is over', async () => {
    const check = () => Promise.reject(new Error('still red'))
    await expect(eventually(check, { withinMs: 10, everyMs: 1 })).rejects.toThrow('still red')
  })
})
