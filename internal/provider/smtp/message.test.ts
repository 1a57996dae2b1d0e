import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { singleAddress } from './address.ts'
import { draftMail, type MailSource } from './message.ts'
import { aMail } from './relay.suite.ts'
import { SendMark } from './send-mark.ts'

const sender = { from: 'alerts@example.com', fromName: null, replyTo: null }

function subjectOf(change: Partial<MailSource>): unknown {
  const draft = draftMail(aMail(change), sender, new Date(0))
  return draft.ok ? draft.data.subject : draft.code
}

describe('the subject', () => {
  it.each<readonly [Partial<MailSource>, string]>([
    [{ title: ' Hello ', content: 'text' }, 'Hello'],
    [{ title: null, content: '\n  \n  first words \nmore' }, 'first words'],
    [{ title: '  ', content: 'a\tb\u0007c' }, 'a b c'],
    [{ content: ' \n ' }, 'Notification'],
    [{ content: 'x'.repeat(78) }, 'x'.repeat(78)],
    [{ content: 'x'.repeat(79) }, `${'x'.repeat(77)}…`],
    [{ content: `${'x'.repeat(76)}🎉🎉` }, `${'x'.repeat(76)}…`],
  ])('of %j is %j', (change, expected) => {
    expect(subjectOf(change)).toBe(expected)
  })
})

describe('an address', () => {
  it.each<readonly [string, string | null]>([
    ["o'brien+tag=1@Example.ORG", "o'brien+tag=1@example.org"],
    ['jo@bücher.example', 'jo@xn--bcher-kva.example'],
    ['root@localhost', 'root@localhost'],
    [`${'x'.repeat(65)}@example.org`, null],
    [`x@${'y'.repeat(64)}.org`, null],
    [`x@${'y.'.repeat(130)}org`, null],
    ['jo@example.org ', null],
    ['jo@exa mple.org', null],
  ])('%s', (text, expected) => {
    expect(singleAddress(text)).toBe(expected)
  })
})

describe('the mark of a message', () => {
  it('is set with its last byte, and lets no second copy out', async () => {
    const mark = new SendMark()
    const input = mark.watch(new PassThrough())
    input.once('end', () => expect(mark.mayBeSent).toBe(true))
    expect(mark.mayBeSent).toBe(false)
    if (input instanceof PassThrough) input.end('text')
    expect(String(await buffer(input))).toBe('text')
    expect(mark.mayBeSent).toBe(true)
    await expect(buffer(mark.watch(new PassThrough()))).rejects.toThrow('written once already')
  })

  it('stays unset when the message is not read to its end', async () => {
    const mark = new SendMark()
    const input = mark.watch(new PassThrough())
    input.destroy()
    await expect(buffer(input)).rejects.toThrow('Premature close')
    expect(mark.mayBeSent).toBe(false)
  })
})
