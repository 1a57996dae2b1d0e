import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { connectionFields, readConnectionFields } from './fields-connections.ts'
import { SettingsReader } from './reader.ts'

function read(environment: Record<string, string>) {
  const reader = new SettingsReader(environment)
  return { ...readConnectionFields(reader), problems: reader.problems }
}

const bytes = randomBytes(32)

describe('ENCRYPTION_KEY', () => {
  it.each(['hex', 'base64', 'base64url'] as const)('is read as %s', (form) => {
    const { encryptionKey, problems } = read({ ENCRYPTION_KEY: bytes.toString(form) })
    expect(Buffer.from(encryptionKey.value ?? []).equals(bytes)).toBe(true)
    expect(problems).toEqual([])
  })

  it.each([
    ['too short', bytes.subarray(1).toString('hex'), 'expected 32 random bytes'],
    ['too long', randomBytes(33).toString('base64'), 'these are 33 bytes'],
    ['a word', 'a password, not a key', 'expected 32 random bytes as base64 or hex'],
    ['all the same', '0'.repeat(64), 'these bytes are not random'],
    ['a word over and over', 'abcd'.repeat(11).slice(0, 43), 'these bytes are not random'],
  ])('that is %s is refused, and not shown', (_, key, expected) => {
    const { encryptionKey, problems } = read({ ENCRYPTION_KEY: key })
    expect(encryptionKey).toMatchObject({ value: null, broken: true })
    expect(problems.join()).toContain(expected)
    expect(problems.join()).toContain('ENCRYPTION_KEY: found ***')
    expect(problems.join()).not.toContain(key)
  })

  it('and all its like have examples that can be read, and may be left out', () => {
    for (const { example, parser } of Object.values(connectionFields)) {
      expect(parser.parse(example ?? '').ok).toBe(true)
    }
    const { problems, ...readings } = read({})
    expect(Object.values(readings).map(({ value }) => value)).toEqual([null, null, null, null])
    expect(problems).toEqual([])
  })
})
