import { describe, expect, it } from 'vitest'
import { envelopeRefsMax } from '../domain/protocol.ts'
import { decodeRefs, encodeRefs } from './codec.ts'

const id = '019b2f6e-0000-7000-8000-00000000abcd'

describe('codec', () => {
  it('reads back what it wrote, up to a full envelope with the largest tokens', () => {
    for (const count of [1, envelopeRefsMax]) {
      const refs = Array.from({ length: count }, (_, at) => ({ id, leaseToken: Number.MAX_SAFE_INTEGER - at }))
      expect(decodeRefs(encodeRefs(refs))).toEqual({ kind: 'refs', refs })
    }
  })

  it('writes the form that other versions read', () => {
    expect(encodeRefs([{ id, leaseToken: 7 }]).toString()).toBe(`{"v":1,"items":[["${id}",7]]}`)
  })

  it.each([
    ['nothing', ''],
    ['no JSON', '{"v":1,'],
    ['no object', '[1]'],
    ['null', 'null'],
    ['no version', `{"items":[["${id}",1]]}`],
    ['another version', `{"v":2,"items":[["${id}",1]]}`],
    ['no items', '{"v":1}'],
    ['items that are no list', '{"v":1,"items":{}}'],
    ['an empty list', '{"v":1,"items":[]}'],
    ['an item that is no list', `{"v":1,"items":["${id}"]}`],
    ['an item too short', `{"v":1,"items":[["${id}"]]}`],
    ['an item too long', `{"v":1,"items":[["${id}",1,2]]}`],
    ['an id that is no UUID', '{"v":1,"items":[["42",1]]}'],
    ['an id in upper case', `{"v":1,"items":[["${id.toUpperCase()}",1]]}`],
    ['a token that is text', `{"v":1,"items":[["${id}","1"]]}`],
    ['a token with a fraction', `{"v":1,"items":[["${id}",1.5]]}`],
    ['a negative token', `{"v":1,"items":[["${id}",-1]]}`],
    ['a token beyond exact numbers', `{"v":1,"items":[["${id}",9007199254740993]]}`],
    ['one bad item among good ones', `{"v":1,"items":[["${id}",1],null]}`],
    ['too many items', JSON.stringify({ v: 1, items: Array.from({ length: envelopeRefsMax + 1 }, () => [id, 1]) })],
    ['too many bytes', `{"v":1,"items":[["${id}",1]]}${' '.repeat(20_000)}`],
  ])('does not read %s', (_, body) => {
    expect(decodeRefs(Buffer.from(body)).kind).toBe('unreadable')
  })
})
