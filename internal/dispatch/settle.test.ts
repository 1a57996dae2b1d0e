import { describe, expect, it } from 'vitest'
import { DependencyUnavailableError, RejectedDataError } from '../domain/errors.ts'
import type { Settled, Settlement } from '../port/notification-store.ts'
import { aClaim } from '../testkit/builders.ts'
import { ManualClock } from '../testkit/manual-clock.ts'
import { RecordingTelemetry, silentLogger } from '../testkit/telemetry.ts'
import { makeSettle } from './settle.ts'

const away = () => new DependencyUnavailableError('postgres', 'away')

function success(): Settlement {
  const result = { kind: 'accepted', providerMessageId: 'm-1', statusCode: 200, responseExcerpt: 'ok' } as const
  return { claimed: aClaim(), provider: 'webhook', result, decision: { kind: 'sent' }, durationMs: 5 }
}

function failure(message = 'unavailable'): Settlement {
  const result = {
    kind: 'transient',
    retryAfterMs: null,
    code: 'http_503',
    message,
    statusCode: 503,
    responseExcerpt: null,
  } as const
  return { ...success(), result, decision: { kind: 'retry', afterMs: 1_000, burnsBudget: true } }
}

interface World {
  /** Answers of `settle`, one per call; the last repeats. */
  readonly settle: readonly ('settled' | 'fenced' | Error)[]
  readonly late?: readonly ('moved' | 'not_moved' | Error)[]
}

function setup(world: World) {
  const clock = new ManualClock()
  const giveUp = new AbortController()
  const calls = { settle: 0, late: 0 }
  const seen: Settlement[] = []
  const answer = <T>(answers: readonly (T | Error)[], call: number): T => {
    const one = answers[Math.min(call, answers.length - 1)]
    if (one === undefined) throw new Error('no answer was prepared')
    if (one instanceof Error) throw one
    return one
  }
  const settle = makeSettle(
    {
      store: {
        async settle(group): Promise<readonly Settled[]> {
          seen.push(...group)
          if (answer(world.settle, calls.settle++) === 'fenced') return []
          return group.map((one) => ({ id: one.claimed.id, status: 'SENT', reason: null, dueInMs: null }))
        },
        async lateSuccess(group) {
          const moved = answer(world.late ?? ['not_moved'], calls.late++) === 'moved'
          return moved ? group.map((one) => one.claimed.id) : []
        },
      },
      clock,
      telemetry: new RecordingTelemetry(),
      logger: silentLogger,
      giveUp: giveUp.signal,
    },
    { maxInFlight: 2 },
  )
  return { clock, giveUp, calls, seen, settle, leaseEndsAtMs: clock.monotonicMs() + 60_000 }
}

describe('settle', () => {
  it('a success whose lease was lost is recorded as a late success', async () => {
    const { settle, leaseEndsAtMs } = setup({ settle: ['fenced'], late: ['moved'] })
    expect(await settle(success(), leaseEndsAtMs)).toEqual({ kind: 'fenced', late: true })
  })

  it('an old success beside the current attempt of its row is not taken for settled', async () => {
    const { settle, leaseEndsAtMs } = setup({ settle: ['settled'], late: ['moved'] })
    const current = failure()
    const old: Settlement = {
      ...success(),
      claimed: { ...current.claimed, leaseToken: current.claimed.leaseToken - 1 },
    }
    const ends = await Promise.all([settle(old, leaseEndsAtMs), settle(current, leaseEndsAtMs)])
    expect(ends.map((end) => end.kind)).toEqual(['fenced', 'settled'])
  })

  it('a fenced failure is dropped: somebody else holds the row', async () => {
    const { settle, leaseEndsAtMs, calls } = setup({ settle: ['fenced'], late: ['moved'] })
    expect(await settle(failure(), leaseEndsAtMs)).toEqual({ kind: 'fenced', late: false })
    expect(calls.late).toBe(0)
  })

  it('a success is kept past its lease until PostgreSQL answers', async () => {
    const { settle, leaseEndsAtMs, clock } = setup({
      settle: [...Array.from({ length: 300 }, away), 'fenced'],
      late: [away(), 'moved'],
    })
    const end = settle(success(), leaseEndsAtMs)
    await clock.advance(120_000)
    expect(await end).toEqual({ kind: 'fenced', late: true })
  })

  it('any other result is given up when the lease ends', async () => {
    const { settle, leaseEndsAtMs, clock, calls } = setup({ settle: [away()] })
    const end = settle(failure(), leaseEndsAtMs)
    await clock.advance(61_000)
    expect(await end).toEqual({ kind: 'given_up' })
    expect(calls.settle).toBeGreaterThan(200)
    expect(clock.pending).toBe(0)
  })

  it('a stop that cannot wait gives up at once', async () => {
    const { settle, leaseEndsAtMs, clock, giveUp } = setup({ settle: [away()] })
    const end = settle(success(), leaseEndsAtMs)
    await clock.advance(1_000)
    giveUp.abort(new Error('stopping'))
    expect(await end).toEqual({ kind: 'given_up' })
  })

  it('an attempt whose error text cannot be stored ends without the text', async () => {
    const { settle, leaseEndsAtMs, seen } = setup({ settle: [new RejectedDataError('22021', 'bad byte'), 'settled'] })
    expect(await settle(failure('\u0000'), leaseEndsAtMs)).toMatchObject({ kind: 'settled' })
    expect(seen.map((one) => ('message' in one.result ? one.result.message : ''))).toEqual([
      '\u0000',
      'the text of this error could not be stored',
    ])
  })
})
