import type { Change } from '../history.ts'
import { groupBy } from './facts.ts'
import type { Violation } from './violation.ts'

/** `from>to` of every step of the protocol; a row also changes without changing its status (defer, release). */
const legal = new Set([
  'new>ACCEPTED',
  'new>QUEUED',
  'new>SENDING',
  'ACCEPTED>QUEUED',
  'ACCEPTED>FAILED',
  'ACCEPTED>CANCELED',
  'QUEUED>QUEUED',
  'QUEUED>SENDING',
  'QUEUED>CANCELED',
  'QUEUED>FAILED',
  'QUEUED>SENT',
  'SENDING>SENT',
  'SENDING>QUEUED',
  'SENDING>FAILED',
  'FAILED>QUEUED',
  'FAILED>SENT',
])
const terminal: ReadonlySet<string> = new Set(['SENT', 'FAILED', 'CANCELED'])
const earlyMs = 10

export function isTerminal(status: string): boolean {
  return terminal.has(status)
}

/** Invariant 4, and of invariant 6 what the database can tell: no claim before `next_retry_at`. */
export function checkTransitions(changes: readonly Change[]): Violation[] {
  return [...groupBy(changes, ({ id }) => id)].flatMap(([id, own]) => checkOne(id, own))
}

function checkOne(id: string, changes: readonly Change[]): Violation[] {
  const violations: Violation[] = []
  let before: Change | null = null
  for (const change of changes) {
    const step = `${change.from ?? 'new'}>${change.to}`
    if (!legal.has(step)) violations.push({ invariant: 4, text: `${id} went ${step}` })
    if ((before?.to ?? null) !== change.from) {
      violations.push({ invariant: 4, text: `${id} was ${before?.to ?? 'new'}, then ${step}` })
    }
    if (step === 'FAILED>QUEUED' && before !== null && change.generation !== before.generation + 1) {
      violations.push({ invariant: 4, text: `${id} came back from FAILED without a new generation` })
    }
    const notBefore = before?.nextRetryAt ?? null
    if (change.to === 'SENDING' && notBefore !== null && change.at < notBefore - earlyMs) {
      violations.push({ invariant: 6, text: `${id} was claimed ${notBefore - change.at} ms before its retry` })
    }
    before = change
  }
  return violations
}
