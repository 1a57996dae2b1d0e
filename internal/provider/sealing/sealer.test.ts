import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Sealer } from './sealer.ts'

const [first, second] = [randomBytes(32), randomBytes(32)]
const place = { connection: 'main', field: 'authToken' }

/** With one bit of one character's value turned. */
function turned(text: string, at: number): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const value = letters.indexOf(text[at] ?? '')
  return `${text.slice(0, at)}${letters[value ^ 32]}${text.slice(at + 1)}`
}

describe('a sealed value', () => {
  it.each(['', 'x', 'grüße 😀 \0', 'x'.repeat(16_384)])('opens as what it was (%#)', (plain) => {
    const sealer = new Sealer(first)
    const sealed = sealer.seal(plain, place)
    expect(sealed).toMatch(/^s1\.[0-9a-f]{16}\.[\w-]{16}\.[\w-]+$/)
    expect(sealer.open(sealed, place)).toBe(plain)
  })

  it('is another text each time, and shows neither value nor key', () => {
    const sealer = new Sealer(first)
    const texts = Array.from({ length: 50 }, () => sealer.seal('sesame-open', place))
    expect(new Set(texts).size).toBe(50)
    for (const text of texts) {
      for (const secret of [Buffer.from('sesame-open'), first]) {
        for (const form of ['utf8', 'hex', 'base64', 'base64url'] as const) {
          expect(text).not.toContain(secret.toString(form))
        }
      }
    }
  })

  it.each([
    { connection: 'other', field: 'authToken' },
    { connection: 'main', field: 'apiKey' },
    { connection: 'main\0authToken', field: '' },
  ])('does not open when it is moved to %j', (elsewhere) => {
    const sealer = new Sealer(first)
    expect(() => sealer.open(sealer.seal('secret', place), elsewhere)).toThrow('moved here')
  })

  it('does not open when any part of it was changed or cut', () => {
    const sealer = new Sealer(first)
    const sealed = sealer.seal('secret', place)
    const start = sealed.indexOf('.', 3) + 1
    for (let at = start; at < sealed.length; at++) {
      if (sealed[at] !== '.') expect(() => sealer.open(turned(sealed, at), place), String(at)).toThrow('it was changed')
      expect(() => sealer.open(sealed.slice(0, at), place), String(at)).toThrow('it was changed')
    }
    for (const text of ['', 'secret', 's1', `s2${sealed.slice(2)}`, `s1.x.${sealed.slice(start)}`]) {
      expect(() => sealer.open(text, place)).toThrow('it ')
    }
  })

  it('opens under the previous key, and is sealed anew under the current one', () => {
    const old = new Sealer(first).seal('secret', place)
    const rotated = new Sealer(second, first)
    expect(rotated.open(old, place)).toBe('secret')
    expect(rotated.isCurrent(old)).toBe(false)
    const anew = rotated.seal('secret', place)
    expect(rotated.isCurrent(anew)).toBe(true)
    expect(new Sealer(second).open(anew, place)).toBe('secret')
    expect(() => new Sealer(second).open(old, place)).toThrow('under another key')
  })

  it('does not open under a key that only claims to be the right one', () => {
    const sealed = new Sealer(first).seal('secret', place)
    const [, , ...rest] = sealed.split('.')
    const [, otherId] = new Sealer(second).seal('', place).split('.')
    expect(() => new Sealer(second).open(['s1', otherId, ...rest].join('.'), place)).toThrow('it was changed')
  })

  it('takes no key of another length', () => {
    expect(() => new Sealer(randomBytes(16))).toThrow('32 bytes, got 16')
    expect(() => new Sealer(first, randomBytes(33))).toThrow('32 bytes, got 33')
  })
})
