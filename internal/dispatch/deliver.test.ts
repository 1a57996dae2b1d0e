import { describe, expect, it } from 'vitest'
import { releasedDueMs } from '../domain/protocol.ts'
import type { Claimed, Settlement, UnbegunClaim } from '../port/notification-store.ts'
import { aClaim } from '../testkit/builders.ts'
import { ManualClock } from '../testkit/manual-clock.ts'
import { RecordingTelemetry, silentLogger } from '../testkit/telemetry.ts'
import { makeDeliver } from './deliver.ts'
import type { Begun } from './router.ts'

const way = { tiers: [], tryTimeoutMs: null, totalTimeoutMs: null }

/** @param begun what the router says; null = it has no way for the message. */
function setup(begun: Begun | null) {
  const clock = new ManualClock()
  const telemetry = new RecordingTelemetry()
  const steps: string[] = []
  const released: UnbegunClaim[] = []
  const settled: Settlement[] = []
  const deliver = makeDeliver(
    {
      store: {
        release: async (claims) => {
          released.push(...claims)
          return claims.map(({ claimed }) => claimed.id)
        },
      },
      provider: {
        name: 'plain',
        send: async () => ({ kind: 'accepted', providerMessageId: null, statusCode: 200, responseExcerpt: null }),
      },
      router: {
        wayFor: () => (begun === null ? null : way),
        begin: async () => begun ?? { kind: 'hold', delayMs: 1 },
      },
      settle: async (settlement) => {
        settled.push(settlement)
        return { kind: 'settled', settled: { id: settlement.claimed.id, status: 'SENT', reason: null, dueInMs: null } }
      },
      clock,
      giveUp: new AbortController().signal,
      telemetry,
      logger: silentLogger,
      random: () => 0,
      wakeScanIn: (ms) => void steps.push(`wake in ${ms}`),
    },
    { jobTimeoutMs: 10_000, retry: { baseDelayMs: 1_000, maxDelayMs: 1_000, maxJitterMs: 0 } },
  )
  const run = (change: { readonly stopping?: boolean; readonly leaseMs?: number; readonly claim?: Claimed } = {}) =>
    deliver(change.claim ?? aClaim(), {
      leaseEndsAtMs: clock.monotonicMs() + (change.leaseMs ?? 60_000),
      stopping: change.stopping ?? false,
      onUnsent: () => void steps.push('unsent'),
      onSent: () => void steps.push('slot free'),
    })
  return { run, steps, released, settled, telemetry }
}

describe('deliver', () => {
  it('gives a message that nothing can take now back for as long as told, and its permit to another', async () => {
    const { run, steps, released, settled, telemetry } = setup({ kind: 'hold', delayMs: 7_000 })
    await run()
    expect(released).toMatchObject([{ delayMs: 7_000 }])
    expect(steps).toEqual(['unsent', 'slot free', 'wake in 7000'])
    expect(settled).toEqual([])
    expect(telemetry.calls.firstAttempt).toEqual([])
  })

  it.each([{ stopping: true }, { leaseMs: 14_000 }])('begins nothing with %j', async (change) => {
    const { run, released, settled } = setup(null)
    await run(change)
    expect(released).toMatchObject([{ delayMs: releasedDueMs }])
    expect(settled).toEqual([])
  })

  it('sends over the plain provider what has no way', async () => {
    const { run, steps, settled } = setup(null)
    await run()
    expect(settled).toMatchObject([{ provider: 'plain', decision: { kind: 'sent' } }])
    expect(settled[0]).not.toHaveProperty('via')
    expect(steps).toEqual(['slot free'])
  })

  it('sends over the plain provider again what may have arrived over it, though there is a route by now', async () => {
    const { run, settled } = setup({ kind: 'hold', delayMs: 7_000 })
    await run({ claim: { ...aClaim(), unknownOver: [null], openOverPlain: true } })
    expect(settled).toMatchObject([{ provider: 'plain', decision: { kind: 'sent' } }])
  })

  it('stores an end without a try as one, and measures no send', async () => {
    const result = { kind: 'unknown', code: 'c', message: 'm', statusCode: null, responseExcerpt: null } as const
    const { run, settled, telemetry } = setup({ kind: 'end', result, decision: { kind: 'failed', reason: 'parked' } })
    await run()
    expect(settled).toMatchObject([{ provider: null, result, decision: { reason: 'parked' } }])
    expect(telemetry.calls.sendDuration).toEqual([])
    expect(telemetry.calls.outcomeUnknown).toEqual([])
  })
})
