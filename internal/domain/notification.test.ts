import { describe, expect, it } from 'vitest'
import { type IdempotentFields, idempotentBody } from './notification.ts'

const plain: IdempotentFields = {
  channel: 'SMS',
  recipient: '+15550000001',
  content: 'Hello',
  priority: 'HIGH',
  scheduledAt: new Date('2026-01-01T00:00:00.123Z'),
  maxRetries: 5,
  title: null,
  html: null,
  data: null,
  provider: null,
}

describe('what an idempotency key stands for', () => {
  it('has the text it has always had while the later fields are not used', () => {
    expect(idempotentBody(plain)).toBe('["SMS","+15550000001","Hello","HIGH","2026-01-01T00:00:00.123Z",5]')
  })

  it('differs with every field', () => {
    const changes: readonly Partial<IdempotentFields>[] = [
      { channel: 'PUSH' },
      { recipient: '+15550000002' },
      { content: 'Hi' },
      { priority: 'LOW' },
      { scheduledAt: null },
      { maxRetries: 4 },
      { title: 'a' },
      { html: 'a' },
      { provider: 'a' },
      { data: {} },
      { data: { a: [1, 2] } },
      { data: { a: [2, 1] } },
    ]
    const texts = [{}, ...changes].map((change) => idempotentBody({ ...plain, ...change }))
    expect(new Set(texts).size).toBe(texts.length)
  })

  it('does not depend on the order in which data was written', () => {
    const one = idempotentBody({ ...plain, data: { a: 1, b: { c: [{ d: 1, e: null }], f: 'x' } } })
    expect(idempotentBody({ ...plain, data: { b: { f: 'x', c: [{ e: null, d: 1 }] }, a: 1 } })).toBe(one)
  })
})
