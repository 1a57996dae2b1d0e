import { describe, expect, it } from 'vitest'
import { lookAgainMs } from '../domain/protocol.ts'
import { aNotification } from '../testkit/builders.ts'
import { type Explored, explore } from '../testkit/model/explore.ts'
import type { Bounds } from '../testkit/model/machine-state.ts'
import { newRow } from '../testkit/model/row.ts'
import { say } from '../testkit/model/seed.ts'
import type { Planted } from '../testkit/model/steps.ts'

const nothing: Bounds = { crashes: 0, lostAnswers: 0, stops: 0, defers: 0, rateLimits: 0, cancels: 0, replays: 0 }

interface Case {
  readonly bounds: Partial<Bounds>
  readonly maxRetries?: number
  readonly ttlMs?: number
}

/** A lease of 20 s: time for a first attempt, a second after the sweep, and in the longer cases a third. */
function run({ bounds, maxRetries = 2, ttlMs = 45_000 }: Case, bugs: readonly Planted[] = []): Explored {
  const row = newRow(aNotification({ maxRetries }), { ttlMs, lookAgainMs }, 0)
  // The last moment to begin a send falls on a multiple of 5 s, as everything else does.
  const setting = { leaseMs: 20_000, jobTimeoutMs: 10_001, ttlMs, bugs: new Set(bugs) }
  return explore(row, { ...nothing, ...bounds }, setting)
}

describe('all interleavings of two workers, a scanner and one row', () => {
  const cases: readonly (readonly [name: string, which: Case])[] = [
    ['nobody dies', { bounds: {}, maxRetries: 3, ttlMs: 60_000 }],
    ['one dies at any step', { bounds: { crashes: 1 }, maxRetries: 3, ttlMs: 60_000 }],
    ['two die', { bounds: { crashes: 2 }, maxRetries: 3, ttlMs: 60_000 }],
    ['one dies and an answer is lost', { bounds: { crashes: 1, lostAnswers: 1 } }],
    ['one dies and one stops', { bounds: { crashes: 1, stops: 1 } }],
    ['one dies and a reference is put off', { bounds: { crashes: 1, defers: 1 } }],
    ['one dies and the target asks for a pause', { bounds: { crashes: 1, rateLimits: 1 } }],
    ['one dies and the client cancels', { bounds: { crashes: 1, cancels: 1 } }],
    ['one dies and the client replays', { bounds: { crashes: 1, replays: 1 }, maxRetries: 1 }],
  ]
  it.each(cases)(
    'keep every promise when %s',
    (name, which) => {
      const found = run(which)
      say(`interleavings, ${name}: ${found.states} states, ${found.steps} steps, ${found.ends} ends`)
      expect(found.violation).toBeNull()
      expect(found.ends).toBeGreaterThan(50)
    },
    30_000,
  )

  const mistakes: readonly (readonly [bug: Planted, which: Case, what: RegExp])[] = [
    ['claim_ignores_token', { bounds: {} }, /too early/],
    ['settle_ignores_token', { bounds: { crashes: 1 } }, /./],
    ['sweep_keeps_token', { bounds: {} }, /told of a success/],
    ['sweep_ignores_lease', { bounds: {} }, /too early|excuse/],
    ['sweep_forgets_attempt', { bounds: { crashes: 1 } }, /attempts are logged/],
    ['release_keeps_attempt', { bounds: { stops: 1 } }, /attempts are logged/],
    ['late_success_ignored', { bounds: {} }, /told of a success/],
    ['retry_is_due_at_once', { bounds: {} }, /too early/],
  ]
  it.each(mistakes)('finds %s', (bug, which, what) => {
    const found = run(which, [bug])
    expect(found.violation).toMatch(what)
  })
})
