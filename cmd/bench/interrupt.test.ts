import { describe, expect, it } from 'vitest'
import { orAborted } from './interrupt.ts'

describe('orAborted', () => {
  it('is what the work gives', async () => {
    const { signal } = new AbortController()
    await expect(orAborted(Promise.resolve(7), signal)).resolves.toBe(7)
    await expect(orAborted(Promise.reject(new Error('broken')), signal)).rejects.toThrow('broken')
  })

  it('rejects as soon as the signal says so, however long the work takes', async () => {
    const over = new AbortController()
    const waiting = orAborted(new Promise(() => undefined), over.signal)
    over.abort(new Error('ended'))
    await expect(waiting).rejects.toThrow('ended')
    await expect(orAborted(new Promise(() => undefined), over.signal)).rejects.toThrow('ended')
  })
})
