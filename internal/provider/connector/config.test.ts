import { describe, expect, it } from 'vitest'
import { checkConfig } from './config.ts'
import { connectorOf } from './example.suite.ts'

const connector = connectorOf({
  config: {
    url: {
      type: 'url',
      required: true,
      secret: true,
      example: 'https://example.com/services/T0/B0/abcdefghijklmnopqrstuvwx',
    },
    token: { type: 'string', secret: true, pattern: '^tk_[a-z]+$', example: 'tk_example' },
    region: { type: 'string', enum: ['eu', 'us'], default: 'us' },
    retries: { type: 'integer', min: 1, max: 9 },
    wait: { type: 'boolean' },
    account: { type: 'json', secret: true },
    secrets: { type: 'strings', secret: true },
  },
})
const url = 'https://hooks.example.com/services/T0/B0/abcdefghijklmnopqrstuvwx'

describe('the configuration of a connection', () => {
  it('comes out with its defaults, parsed, and with lists where lists are meant', () => {
    const given = {
      url,
      account: '{"private_key": "a-very-long-key"}',
      secrets: 'whsec_a',
      retries: '3',
      wait: 'true',
      token: '',
    }
    expect(checkConfig(connector, given)).toEqual({
      ok: true,
      config: {
        url,
        region: 'us',
        account: { private_key: 'a-very-long-key' },
        secrets: ['whsec_a'],
        retries: 3,
        wait: true,
      },
    })
  })

  it('is refused with every problem, and no secret in any of them', () => {
    const given = {
      url: 'ftp://user:sesame@x',
      token: 'sesame-open',
      regoin: 'eu',
      region: 'mars',
      retries: 10,
      wait: 'maybe',
      account: '{',
      secrets: [7],
    }
    const checked = checkConfig(connector, given)
    expect(checked.ok ? [] : checked.problems).toEqual([
      {
        field: 'regoin',
        found: 'an unknown field',
        expected: expect.stringContaining('one of url'),
        didYouMean: 'region',
      },
      {
        field: 'url',
        found: 'a secret of 19 characters',
        expected: 'an http: or https: URL without user name and password',
        didYouMean: null,
      },
      {
        field: 'token',
        found: 'a secret of 11 characters',
        expected: 'a text that matches ^tk_[a-z]+$',
        didYouMean: null,
      },
      { field: 'region', found: '"mars"', expected: 'eu or us', didYouMean: null },
      { field: 'retries', found: '10', expected: 'a whole number of 1 to 9', didYouMean: null },
      { field: 'wait', found: '"maybe"', expected: 'true or false', didYouMean: null },
      { field: 'account', found: 'a secret of 1 characters', expected: 'JSON', didYouMean: null },
      { field: 'secrets', found: 'a list of 1 secrets', expected: 'a list of texts', didYouMean: null },
    ])
    expect(JSON.stringify(checked)).not.toContain('sesame')
  })

  it('is refused without a field that is required', () => {
    expect(checkConfig(connector, {})).toMatchObject({ ok: false, problems: [{ field: 'url', found: 'nothing' }] })
    expect(checkConfig(connector, [])).toMatchObject({ ok: false })
  })
})
