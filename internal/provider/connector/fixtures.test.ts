import { describe, expect, it } from 'vitest'
import { connectorOf } from './example.suite.ts'
import { runFixtures } from './fixtures.ts'

const parts = {
  messageId: { from: 'header', name: 'x-id' },
  errors: [
    { name: 'slow', match: { status: [429] }, class: 'rate_limited', retryAfter: [{ default: '5s' }] },
    { name: 'gone', match: { status: [410] }, class: 'config' },
  ],
  limits: { content: { max: 10 } },
}
const run = (...fixtures: object[]) => runFixtures(connectorOf({ ...parts, fixtures }))
const content = 'short'

describe('fixtures', () => {
  it('pass when request, answer and limits are as expected', async () => {
    const request = {
      method: 'POST',
      url: 'https://example.com/send',
      headers: { 'content-type': 'application/json' },
      body: { text: content },
      absent: ['title'],
    }
    const report = await run(
      {
        name: 'sent',
        message: { content },
        response: { status: 200, headers: { 'x-id': '7' } },
        expect: { class: 'accepted', messageId: '7', rule: null, request },
      },
      {
        name: 'slow',
        message: { content },
        response: { status: 429, text: 'slow' },
        expect: { class: 'rate_limited', rule: 'slow', retryAfterMs: 5_000, scope: 'connection', code: 'http_429' },
      },
      { name: 'gone', message: { content }, response: { status: 410, body: {} }, expect: { class: 'config', rule: 1 } },
      {
        name: 'lost',
        message: { content },
        response: { failure: 'timeout', written: true },
        expect: { class: 'ambiguous', code: 'timeout' },
      },
      {
        name: 'blocked',
        message: { content },
        response: { failure: 'blocked' },
        expect: { class: 'permanent', code: 'blocked_address' },
      },
      { name: 'long', message: { content: 'much too long' }, expect: { limit: 'content' } },
      { name: 'request only', message: { content, to: 'somebody' }, expect: { request: { body: { to: 'somebody' } } } },
    )
    expect(report.fixtures.filter(({ failures }) => failures.length > 0)).toEqual([])
    expect(report.warnings).toEqual([])
  })

  it.each([
    [{ class: 'permanent' }, 'class: found "accepted", expected "permanent"'],
    [{ messageId: '8' }, 'messageId: found "7", expected "8"'],
    [{ rule: 'slow' }, 'rule: found null, expected "slow"'],
    [{ limit: 'title' }, 'limit: found null, expected "title"'],
    [{ request: { body: { text: 'other' } } }, 'request.body.text: found "short", expected "other"'],
    [{ request: { body: { deeper: { a: 1 } } } }, 'request.body.deeper: found nothing, expected a mapping'],
    [{ request: { headers: { 'x-a': 'b' } } }, 'request.headers.x-a: found nothing, expected "b"'],
    [{ request: { absent: ['to'] } }, 'request.body.to: found, expected to be absent'],
  ])('fail when %j is not so', async (expected, failure) => {
    const { fixtures } = await run({
      name: 'a',
      message: { content },
      response: { status: 200, headers: { 'x-id': '7' } },
      expect: expected,
    })
    expect(fixtures).toEqual([{ name: 'a', failures: [failure] }])
  })

  it('fail when the message breaks a limit that was not expected', async () => {
    const { fixtures } = await run({
      name: 'a',
      message: { content: 'much too long' },
      response: { status: 200 },
      expect: { class: 'accepted' },
    })
    expect(fixtures[0]?.failures).toEqual(['limit: found "content", expected null'])
  })

  it('fail when their configuration is none', async () => {
    const { fixtures } = await run({
      name: 'a',
      config: { url: 'mailto:x' },
      message: { content },
      response: { status: 200 },
      expect: { class: 'accepted' },
    })
    expect(fixtures[0]?.failures).toEqual([
      'config.url: found "mailto:x", expected an http: or https: URL without user name and password',
    ])
  })

  it('warn of what they leave unproven', async () => {
    const { warnings } = await run({
      name: 'a',
      message: { content },
      response: { status: 429 },
      expect: { class: 'rate_limited' },
    })
    expect(warnings).toEqual(['no fixture is accepted', 'error rule 1 (gone) has no fixture'])
  })
})
