import type { Disturbance, Life } from '../evidence.ts'
import type { Change, Row } from '../history.ts'
import { plannedConnections, plannedRoutes } from '../providers/plan.ts'
import type { Delivery, Facts } from './facts.ts'

/** What tests of the checker begin with. */
export const id = '0190a000-0000-7000-8000-000000000001'
export const pid = 4_711
export const leaseMs = 22_000

export function change(at: number, from: string | null, to: string, token: number, more: Partial<Change> = {}): Change {
  return {
    id,
    at,
    from,
    to,
    token,
    attempt: 1,
    generation: 0,
    owner: null,
    leaseUntil: null,
    nextRetryAt: null,
    ...more,
  }
}

export function claim(at: number, token: number): Change {
  return change(at, 'QUEUED', 'SENDING', token, { owner: `host-${pid}-0a1b2c3d`, leaseUntil: at + leaseMs })
}

export function delivery(at: number, more: Partial<Delivery> = {}): Delivery {
  return {
    id,
    generation: 0,
    key: `${id}:0`,
    at,
    answeredAt: at + 2,
    status: 200,
    content: 'Hello',
    channel: 'SMS',
    connection: null,
    ...more,
  }
}

export const life = (more: Partial<Life> = {}): Life => ({ pid, startedAt: 0, endedAt: null, how: 'running', ...more })
export const sent: Row = {
  id,
  channel: 'SMS',
  priority: 'NORMAL',
  status: 'SENT',
  reason: null,
  generation: 0,
  attempts: 1,
  outcomeUnknown: false,
  key: 'k',
  via: false,
}

/** One notification that was accepted, sent and settled; `more` breaks something. */
export function facts(more: Partial<Facts> = {}): Facts {
  return {
    promised: [{ id, key: 'k', hash: 'h', at: 1_000 }],
    deliveries: [delivery(1_100)],
    rows: [sent],
    attempts: [{ id, number: 1, outcome: 'ok' }],
    changes: [change(1_000, null, 'QUEUED', 0), claim(1_050, 1), change(1_110, 'SENDING', 'SENT', 1)],
    disturbances: [],
    lives: [life()],
    jobTimeoutMs: 2_000,
    pace: null,
    counters: { replicas: 1, areShared: true },
    connections: plannedConnections,
    routes: plannedRoutes,
    fairSpans: [],
    slots: 16,
    ...more,
  }
}

export const disturbance = (subject: Disturbance['subject'], from: number, to: number): Disturbance => ({
  subject,
  what: 'a test',
  pid: null,
  from,
  to,
})
