import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '../../internal/testkit/eventually.ts'
import type { Received } from '../sink/server.ts'
import { type Accepted, problemOf, type Resource } from './harness/client.ts'
import { profiles } from './harness/profiles.ts'
import { plain, untilFound, untilStatus } from './harness/requests.ts'
import { useWorld } from './harness/world.ts'

const baseDelayMs = 300
/** Jitter (250 ms), one pass of the scan, and a busy machine. */
const lateMaxMs = 2_500

describe.each(profiles)('delivery ($name)', (profile) => {
  const world = useWorld(profile, { settings: { RETRY_BASE_DELAY_MS: String(baseDelayMs) } })
  afterEach(() => world.sink.behave(null))

  const create = (content: string, fields: Readonly<Record<string, unknown>> = {}): Promise<Accepted> =>
    world.client.create(plain({ content, ...fields }))

  async function failedCount(reason: string): Promise<number> {
    return (await world.client.figures()).sum('notifications_failed_total', { reason })
  }

  it('retries what fails for now under the same key, each time after a longer pause, until it is sent', async () => {
    const { id } = await create('[sink 503 503 200]')
    const waiting = await untilFound('a waiting retry', async () => {
      const resource = await world.client.get(id)
      return resource.status === 'QUEUED' && resource.nextRetryAt !== undefined ? resource : null
    })
    expect(waiting.lastError?.code).toBe('http_503')
    const sent = await untilStatus(world.client, id, 'SENT')
    expect(sent).toMatchObject({ attemptCount: 3, outcomeUnknown: false })
    expect(sent.nextRetryAt).toBeUndefined()
    expect(sent.attempts).toMatchObject([
      { number: 1, outcome: 'transient', statusCode: 503 },
      { number: 2, outcome: 'transient', statusCode: 503 },
      { number: 3, outcome: 'ok', statusCode: 200 },
    ])
    const deliveries = world.deliveriesOf(id)
    expect(deliveries.map(({ key }) => key)).toEqual([`${id}:0`, `${id}:0`, `${id}:0`])
    const [first = Number.NaN, second = Number.NaN] = pausesMs(deliveries)
    console.log(`${profile.name}: retried after ${first} and ${second} ms (base ${baseDelayMs})`)
    expectPause(first, baseDelayMs)
    expectPause(second, 2 * baseDelayMs)
  })

  it('gives up when the budget is used', async () => {
    const before = await failedCount('retry_exhausted')
    const { id } = await create('[sink 500]', { maxRetries: 2 })
    const failed = await untilStatus(world.client, id, 'FAILED')
    expect(failed).toMatchObject({ attemptCount: 2, maxRetries: 2, lastError: { code: 'http_500' } })
    expect(failed.attempts?.map(({ number, outcome }) => [number, outcome])).toEqual([
      [1, 'transient'],
      [2, 'transient'],
    ])
    expect(world.deliveriesOf(id)).toHaveLength(2)
    await eventually(async () => expect(await failedCount('retry_exhausted')).toBe(before + 1))
  })

  it.each(['400', 'redirect'])('does not repeat what is refused for good (%s)', async (answer) => {
    const before = await failedCount('permanent_error')
    const { id } = await create(`[sink ${answer}]`)
    const failed = await untilStatus(world.client, id, 'FAILED')
    expect(failed).toMatchObject({ attemptCount: 1, outcomeUnknown: false })
    expect(failed.attempts).toMatchObject([{ outcome: 'permanent' }])
    expect(world.deliveriesOf(id)).toHaveLength(1)
    await eventually(async () => expect(await failedCount('permanent_error')).toBe(before + 1))
  })

  it('waits as long as a provider with too much work asks, and burns no budget for it', async () => {
    const { id } = await create('[sink 429:2 429:1 200]', { maxRetries: 1 })
    const sent = await untilStatus(world.client, id, 'SENT')
    expect(sent.attempts).toMatchObject([{ outcome: 'rate_limited' }, { outcome: 'rate_limited' }, { outcome: 'ok' }])
    const [first = Number.NaN, second = Number.NaN] = pausesMs(world.deliveriesOf(id))
    expectPause(first, 2_000)
    expectPause(second, 1_000)
  })

  it('says when an attempt may have arrived, and repeats it under the same key', async () => {
    const { id } = await create('[sink reset 200]')
    await eventually(async () => {
      const { status, outcomeUnknown } = await world.client.get(id)
      expect({ status, outcomeUnknown }).toEqual({ status: 'QUEUED', outcomeUnknown: true })
    })
    const sent = await untilStatus(world.client, id, 'SENT')
    expect(sent.attempts).toMatchObject([
      { outcome: 'unknown', error: { code: 'connection_reset' } },
      { outcome: 'ok' },
    ])
    expect(sent.outcomeUnknown).toBe(false) // now it is known: it was taken
    expect(world.deliveriesOf(id).map(({ key }) => key)).toEqual([`${id}:0`, `${id}:0`])
  })

  it('ends an attempt without an answer at its deadline', async () => {
    const { id } = await create('[sink hang 200]')
    const sent = await untilStatus(world.client, id, 'SENT')
    expect(sent.attempts).toMatchObject([{ outcome: 'unknown', error: { code: 'timeout' } }, { outcome: 'ok' }])
    expect(sent.attempts?.[0]?.durationMs).toBeGreaterThanOrEqual(1_900)
    expect(sent.attempts?.[0]?.durationMs).toBeLessThan(4_000)
  })

  it('gives up at the time of expiry', async () => {
    const before = await failedCount('expired')
    // Between the third attempt (after 0.9 to 1.4 s) and the fourth (after 2.1 s and more): one that is claimed in the
    // last millisecond arrives after it.
    const expiresAt = Date.now() + 1_900
    const { id } = await create('[sink 503]', { expiresAt: new Date(expiresAt).toISOString() })
    const failed = await untilStatus(world.client, id, 'FAILED')
    expect(failed.nextRetryAt).toBeUndefined()
    expect(new Date(failed.updatedAt).getTime()).toBeGreaterThanOrEqual(expiresAt)
    for (const { at } of world.deliveriesOf(id)) expect(at).toBeLessThan(expiresAt)
    await eventually(async () => expect(await failedCount('expired')).toBe(before + 1))
  })

  it('replays what failed as a new generation, under a new key', async () => {
    world.sink.behave('400')
    const { id } = await create('Hello')
    await untilStatus(world.client, id, 'FAILED')
    world.sink.behave(null)
    const answer = await world.client.replay(id)
    expect(answer.status).toBe(202)
    expect(answer.json).toMatchObject({ id, status: 'QUEUED', generation: 1 })
    const sent = await untilStatus(world.client, id, 'SENT')
    expect(sent).toMatchObject({ attemptCount: 2, generation: 1 })
    expect(sent.attempts).toMatchObject([
      { number: 1, generation: 0, outcome: 'permanent' },
      { number: 2, generation: 1, outcome: 'ok' },
    ])
    expect(world.deliveriesOf(id).map(({ key }) => key)).toEqual([`${id}:0`, `${id}:1`])
    expect(problemOf(await world.client.replay(id))).toMatchObject({ status: 409, code: 'state_conflict' })
  })

  it('replays what may have arrived only when forced, with a new budget', async () => {
    world.sink.behave('reset')
    const { id } = await create('Hello', { maxRetries: 2 })
    const failed = await untilStatus(world.client, id, 'FAILED')
    expect(failed).toMatchObject({ outcomeUnknown: true, attemptCount: 2 })
    world.sink.behave('503 200')
    const refused = await world.client.replay(id)
    expect(refused.status).toBe(409)
    expect(problemOf(refused).error).toContain('force')
    expect((await world.client.replay(id, { force: true })).status).toBe(202)
    const sent = await untilStatus(world.client, id, 'SENT')
    expect(sent).toMatchObject({ attemptCount: 4, generation: 1 })
    expectNumbered(sent)
  })

  it('cuts an endless answer, and sends all the same', async () => {
    const { id } = await create('[sink huge:50000000]')
    const sent = await untilStatus(world.client, id, 'SENT')
    expect(sent.attempts).toMatchObject([{ outcome: 'ok' }])
  })
})

/** From each answer (or the lack of one) to the next delivery. */
function pausesMs(deliveries: readonly Received[]): number[] {
  return deliveries.slice(1).map((next, index) => next.at - (deliveries[index]?.answeredAt ?? Number.NaN))
}

function expectPause(foundMs: number, wantedMs: number): void {
  expect(foundMs).toBeGreaterThanOrEqual(wantedMs)
  expect(foundMs).toBeLessThanOrEqual(wantedMs + lateMaxMs)
}

function expectNumbered({ attempts = [], attemptCount }: Resource): void {
  expect(attempts.map(({ number }) => number)).toEqual(Array.from({ length: attemptCount }, (_, index) => index + 1))
}
