import { describe, expect, it } from 'vitest'
import { eventually } from '../../internal/testkit/eventually.ts'
import { pushoverAccount, pushoverSimulator } from '../../internal/testkit/simulators/pushover.ts'
import type { Client } from './harness/client.ts'
import { useConnected, waitsMs } from './harness/connected.ts'
import { Endpoint } from './harness/endpoint.ts'
import { Operator } from './harness/operator.ts'
import { profiles } from './harness/profiles.ts'
import { untilFound, untilStatus } from './harness/requests.ts'

/** A try may be held for as long as a test needs. */
const settings = {
  RETRY_BASE_DELAY_MS: '300',
  RETRY_SCAN_INTERVAL: '250ms',
  JOB_TIMEOUT: '20s',
  LEASE_SECONDS: '40',
  SHUTDOWN_TIMEOUT: '30s',
}
const quotaResetMs = 3_600_000

// All at once: most of the time goes by with waits.
describe.concurrent.each(profiles)('connections that have to wait ($name)', (profile) => {
  const isShared = profile.name === 'services'
  const providers = () => {
    const pushover = pushoverSimulator()
    pushover.remaining = 0
    pushover.resetAt = new Date(Date.now() + quotaResetMs)
    return [pushover]
  }
  const connected = useConnected(profile, { settings, providers, processes: isShared ? 2 : 1 })

  it.runIf(isShared)('open, try and close a breaker over both processes', { timeout: 120_000 }, async () => {
    const [shaky, steady] = await connected.twoTiers('breaker')
    const clients = connected.world.engines.map(({ client }) => client)
    /** Sends this many through each process. @returns the connections that each was tried over. */
    const sendAll = async (each: number) => {
      const lanes = clients.flatMap((client) => Array.from({ length: each }, () => client))
      const all = await Promise.all(lanes.map((client) => connected.sent({ tags: ['breaker'] }, client)))
      return all.map(({ attempts }) => attempts?.map(({ connection }) => connection).join())
    }
    const untilBothSee = (state: string) =>
      eventually(
        async () => {
          await sendAll(1) // a process looks when it has something to send
          for (const client of clients) expect(await stateOf(client, 'breaker-1')).toBe(state)
        },
        { withinMs: 20_000 },
      )
    const all = (connection: string) => Array.from({ length: clients.length * 3 }, () => connection)

    shaky.play(() => ({ status: 503 }))
    await sendAll(6) // one of the two sees five failures at least
    await untilBothSee('open')
    const failures = shaky.arrivals.length
    expect(await sendAll(3)).toEqual(all('breaker-2'))
    expect(shaky.arrivals).toHaveLength(failures)

    const mended = Promise.withResolvers<void>()
    shaky.play(() => mended.promise.then(() => ({ status: 200 })))
    await eventually(async () => expect(await waitOf('breaker-1')).toBe(0), { withinMs: 60_000, everyMs: 250 })
    const tried = await connected.send({ tags: ['breaker'] })
    await eventually(() => shaky.arrivals.length > failures)
    await untilBothSee('half_open')
    expect(await sendAll(3)).toEqual(all('breaker-2'))
    expect(shaky.arrivals).toHaveLength(failures + 1)

    mended.resolve()
    const { attempts } = await untilStatus(connected.client, tried, 'SENT')
    expect(attempts).toMatchObject([{ outcome: 'ok', connection: 'breaker-1' }])
    await untilBothSee('closed')
    const before = steady.arrivals.length
    expect(await sendAll(3)).toEqual(all('breaker-1'))
    expect(steady.arrivals).toHaveLength(before)
  })

  it('wait the 7 s that a provider asks for, with every message, and burn no budget', async () => {
    const end = await connected.endpoint('asked')
    end.play((nth) => (nth === 1 ? { status: 429, headers: { 'retry-after': '7' } } : { status: 200 }))
    const id = await connected.send({ provider: 'asked', maxRetries: 1 })
    await connected.firstAttempt(id)
    const other = await connected.sent({ provider: 'asked', maxRetries: 1 })
    expect(other.attempts).toMatchObject([{ outcome: 'ok' }])
    const sent = await untilStatus(connected.client, id, 'SENT', 20_000)
    expect(sent.attempts).toMatchObject([{ outcome: 'rate_limited', statusCode: 429 }, { outcome: 'ok' }])
    const [first = Number.NaN, ...later] = end.arrivals.map(({ atMs }) => atMs)
    expect(later).toHaveLength(2)
    for (const atMs of later) expect(atMs - first).toBeGreaterThanOrEqual(7_000)
  })

  it('end what is limited without end at its time of expiry', async () => {
    const end = await connected.endpoint('endless')
    end.play(() => ({ status: 429, headers: { 'retry-after': '1' } }))
    const before = await connected.failedCount('expired')
    const expiresAt = Date.now() + 4_000
    const failed = await connected.failed({
      provider: 'endless',
      maxRetries: 1,
      expiresAt: new Date(expiresAt).toISOString(),
    })
    expect(Date.parse(failed.updatedAt)).toBeGreaterThanOrEqual(expiresAt)
    expect(failed).toMatchObject({ outcomeUnknown: false, lastError: { code: 'http_429' } })
    expect(failed.attemptCount).toBeGreaterThanOrEqual(2)
    expect(new Set(failed.attempts?.map(({ outcome }) => outcome))).toEqual(new Set(['rate_limited']))
    await eventually(async () => expect(await connected.failedCount('expired')).toBe(before + 1))
    expect(end.arrivals).toHaveLength(failed.attemptCount)
  })

  it('take a 429 of Pushover for its quota: at once over another, and nothing more before the reset', async () => {
    const { token, user: recipient } = pushoverAccount
    await connected.operator.connect('quota-1', 'pushover', { token })
    await connected.operator.connect('quota-alone', 'pushover', { token })
    await connected.endpoint('quota-2')
    await connected.route('PUSH', 'quota', ['quota-1', 'quota-2'])
    const push = { channel: 'PUSH', recipient, maxRetries: 1 }
    const first = await connected.sent({ ...push, tags: ['quota'] })
    expect(first.attempts).toMatchObject([
      { outcome: 'quota_exhausted', connection: 'quota-1', rule: 'quota-exhausted', statusCode: 429 },
      { outcome: 'ok', connection: 'quota-2' },
    ])
    expect(waitsMs(first)[0]).toBe(0)
    const second = await connected.sent({ ...push, tags: ['quota'] })
    expect(second.attempts).toMatchObject([{ number: 1, connection: 'quota-2' }])
    const alone = await connected.send({ ...push, provider: 'quota-alone' })
    const waiting = await untilFound('a wait', async () => {
      const found = await connected.client.get(alone)
      return found.nextRetryAt === undefined ? null : found
    })
    expect(waiting).toMatchObject({ status: 'QUEUED', attemptCount: 1, attempts: [{ outcome: 'quota_exhausted' }] })
    expect(waitsMs(waiting)[0]).toBeGreaterThan(quotaResetMs - 120_000)
    expect(connected.internet.simulator.received('pushover')).toHaveLength(2)
  })

  it('are left out when their provider says that they are wrong, show why, and serve again once resumed', async () => {
    const [first] = await connected.twoTiers('gone')
    first.play(() => ({ status: 410, body: JSON.stringify({ error: 'moved away' }) }))
    const sent = await connected.sent({ tags: ['gone'], maxRetries: 1 })
    expect(sent.attempts).toMatchObject([
      { outcome: 'config', connection: 'gone-1', rule: 'gone' },
      { outcome: 'ok', connection: 'gone-2' },
    ])
    expect(waitsMs(sent)[0]).toBe(0)
    const paused = await untilFound('a pause', async () => {
      const found = await connected.operator.connection('gone-1')
      return found.state === 'paused' ? found : null
    })
    expect(paused.paused).toMatchObject({ code: 'config', reason: expect.stringContaining('moved away') })
    first.play(() => ({ status: 200 }))
    expect((await connected.sent({ tags: ['gone'] })).attempts).toMatchObject([{ number: 1, connection: 'gone-2' }])
    expect(await connected.operator.resume('gone-1')).toMatchObject({ state: 'ready' })
    await connected.untilEverybodyKnows()
    const again = await connected.sent({ provider: 'gone-1' })
    expect(again.attempts).toMatchObject([{ outcome: 'ok', connection: 'gone-1' }])
  })

  it.runIf(isShared)('serve within seconds what a process takes that has not heard of them yet', async () => {
    const [first, second] = connected.world.engines
    const end = connected.internet.add(new Endpoint('unheard'))
    await new Operator(first?.client ?? connected.client).connectTo('unheard', end)
    const sent = await connected.sent({ provider: 'unheard' }, second?.client)
    expect(sent.attempts).toMatchObject([{ number: 1, outcome: 'ok', connection: 'unheard' }])
  })

  /** Milliseconds until the next message may go over a connection. */
  async function waitOf(connection: string): Promise<number> {
    const limits = await connected.operator.rateLimitsOf(connection)
    return Math.max(...limits.map(({ nextInMs = 0 }) => nextInMs))
  }
})

/** As the process saw it last. */
async function stateOf(client: Client, connection: string): Promise<string | undefined> {
  const figures = await client.figures()
  return ['closed', 'open', 'half_open', 'cooling'].find(
    (state) => figures.sum('connection_state', { connection, state }) === 1,
  )
}
