import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { KeyCounts, Ledger } from './ledger.ts'

const seen = {
  at: 1,
  key: 'k',
  delivery: 1,
  path: '/',
  correlationId: null,
  traceparent: null,
  to: '+1',
  channel: 'sms',
  content: 'hi',
  contentLength: 2,
}

describe('Ledger', () => {
  it('keeps the last deliveries in order and counts all', () => {
    const ledger = new Ledger(3, null)
    for (let n = 0; n < 5; n++) ledger.add(seen)
    expect(ledger.count).toBe(5)
    expect(ledger.from(0).map((one) => one.index)).toEqual([2, 3, 4])
    expect(ledger.from(4).map((one) => one.index)).toEqual([4])
    expect(ledger.from(0, 2).map((one) => one.index)).toEqual([2, 3])
    expect(ledger.from(9)).toEqual([])
  })

  it('keeps nothing when told so, and still counts', () => {
    const ledger = new Ledger(0, null)
    ledger.end(ledger.add(seen), 200)
    expect(ledger.from(0)).toEqual([])
    expect(ledger.count).toBe(1)
    expect(ledger.byStatus).toEqual({ '200': 1 })
  })

  it('has the line in the file as soon as the delivery is ended', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sink-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const ledger = new Ledger(1, join(folder, 'log'))
    const received = ledger.add(seen)
    expect(readFileSync(join(folder, 'log'), 'utf8')).toBe('')
    ledger.end(received, 503)
    const line: unknown = JSON.parse(readFileSync(join(folder, 'log'), 'utf8'))
    expect(line).toMatchObject({ ...seen, index: 0, status: 503, answeredAt: expect.any(Number) })
    ledger.close()
    ledger.close()
  })
})

describe('KeyCounts', () => {
  it('counts per key and forgets the longest unused beyond its bound', () => {
    const counts = new KeyCounts(2)
    expect([counts.next('a'), counts.next('a'), counts.next('b')]).toEqual([0, 1, 0])
    expect(counts.next('a')).toBe(2)
    counts.next('c') // b goes
    expect([counts.next('a'), counts.next('b')]).toEqual([3, 0])
  })
})
