import { describe, expect, it } from 'vitest'
import { findFreePort } from '../../internal/embedded/postgres/free-port.ts'
import { eventually } from '../../internal/testkit/eventually.ts'
import { twilioAccount, twilioSimulator } from '../../internal/testkit/simulators/twilio.ts'
import { problemOf } from './harness/client.ts'
import { useConnected, waitsMs } from './harness/connected.ts'
import { profiles } from './harness/profiles.ts'
import { freshNumber } from './harness/requests.ts'

const baseDelayMs = 300
/** The most that the engine adds to a back-off. */
const jitterMs = 250
const jobTimeoutMs = 10_000
const settings = {
  JOB_TIMEOUT: `${jobTimeoutMs}ms`,
  LEASE_SECONDS: '30',
  SHUTDOWN_TIMEOUT: '20s',
  RETRY_BASE_DELAY_MS: String(baseDelayMs),
  RETRY_SCAN_INTERVAL: '250ms',
  ALLOW_NETS: '127.0.0.1',
  EGRESS_PORTS: '1-65535',
}

describe.concurrent.each(profiles)('routes ($name)', (profile) => {
  const connected = useConnected(profile, { settings, providers: () => [twilioSimulator()] })

  it('go on over the second tier within one back-off when the first is down, under the same key', async () => {
    const [first, second] = await connected.twoTiers('down')
    first.play(() => ({ status: 503 }))
    const sent = await connected.sent({ tags: ['down'] })
    expect(sent.attempts).toMatchObject([
      { number: 1, outcome: 'transient', statusCode: 503, connection: 'down-1', connector: 'webhook@1' },
      { number: 2, outcome: 'ok', connection: 'down-2', connector: 'webhook@1' },
    ])
    const [waitMs = Number.NaN] = waitsMs(sent)
    expect(waitMs).toBeGreaterThanOrEqual(baseDelayMs)
    expect(waitMs).toBeLessThanOrEqual(baseDelayMs + jitterMs)
    expect(first.ids).toEqual([`${sent.id}:0`])
    expect(second.ids).toEqual([`${sent.id}:0`])
  })

  it('go on over the second tier when nobody listens at the first', async () => {
    await connected.operator.connectTo('nobody-1', { url: `http://127.0.0.1:${await findFreePort()}/` })
    await connected.endpoint('nobody-2')
    await connected.route('WEBHOOK', 'nobody', ['nobody-1', 'nobody-2'])
    const sent = await connected.sent({ tags: ['nobody'] })
    expect(sent.attempts).toMatchObject([
      { outcome: 'transient', connection: 'nobody-1', error: { code: 'connection_refused' } },
      { outcome: 'ok', connection: 'nobody-2' },
    ])
    expect(sent.outcomeUnknown).toBe(false)
  })

  it('send nothing twice, over no tier, when a provider that cannot drop repeats read it and gave no answer', async () => {
    await connected.operator.connect('unknown-1', 'twilio-sms', twilioAccount)
    const second = await connected.endpoint('unknown-2')
    await connected.route('SMS', 'unknown', ['unknown-1', 'unknown-2'])
    const recipient = freshNumber()
    const sms = { channel: 'SMS', tags: ['unknown'] }
    connected.internet.simulator.next('twilio-sms', 'reset', { to: recipient })
    const before = await connected.failedCount('parked')
    const failed = await connected.failed({ ...sms, recipient })
    expect(failed).toMatchObject({ outcomeUnknown: true, lastError: { code: 'connection_reset' } })
    expect(failed.nextRetryAt).toBeUndefined()
    expect(failed.attempts).toMatchObject([{ outcome: 'unknown', connection: 'unknown-1', connector: 'twilio-sms@1' }])
    await eventually(async () => expect(await connected.failedCount('parked')).toBe(before + 1))
    const refused = await connected.client.replay(failed.id)
    expect(refused.status).toBe(409)
    expect(problemOf(refused).error).toContain('force')
    // Whatever was still to come for it would have come before this one.
    const next = await connected.sent({ ...sms, recipient: freshNumber() })
    expect(next.attempts).toMatchObject([{ connection: 'unknown-1' }])
    const recipients = connected.internet.simulator.received('twilio-sms').map(({ body }) => new URLSearchParams(body))
    expect(recipients.filter((form) => form.get('To') === recipient)).toHaveLength(1)
    expect(second.arrivals).toEqual([])
  })

  it('repeat what may have arrived over the very connection that drops repeats, and over no other', async () => {
    const [first, second] = await connected.twoTiers('maybe')
    connected.internet.simulator.next('maybe-1', 'reset')
    const sent = await connected.sent({ tags: ['maybe'] })
    expect(sent.attempts).toMatchObject([
      { outcome: 'unknown', connection: 'maybe-1' },
      { outcome: 'ok', connection: 'maybe-1' },
    ])
    const received = connected.internet.simulator.received('maybe-1')
    expect(received.map(({ headers }) => headers['webhook-id'])).toEqual([`${sent.id}:0`, `${sent.id}:0`])
    expect(first.ids).toEqual([`${sent.id}:0`]) // the one that was cut did not come so far
    expect(second.arrivals).toEqual([])
  })

  it('cut a try at their own deadline', async () => {
    await connected.endpoint('slow')
    connected.internet.simulator.next('slow', 'hang')
    await connected.route('WEBHOOK', 'slow', ['slow'], 200)
    const failed = await connected.failed({ tags: ['slow'], maxRetries: 1 })
    // On a busy machine it may come before the request was written: then it is known that nothing arrived.
    expect(failed.attempts).toMatchObject([{ error: { code: 'timeout' }, connection: 'slow' }])
    const [attempt] = failed.attempts ?? []
    expect(attempt?.durationMs).toBeGreaterThanOrEqual(200)
    expect(attempt?.durationMs).toBeLessThan(jobTimeoutMs)
  })
})
