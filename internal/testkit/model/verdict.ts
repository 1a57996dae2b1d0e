import type { NotificationId } from '../../domain/notification.ts'
import { orphanBackoffMs } from '../../domain/protocol.ts'
import { isFinished } from '../../domain/status.ts'
import type { Moved, StoreEvent, Told } from './history.ts'
import { wrongMove } from './invariants.ts'
import type { ModelRow } from './row.ts'
import { simSettings } from './sim-engine.ts'
import type { Send } from './sim-target.ts'
import type { World } from './world.ts'

/** A copy that arrived twice, with what excuses it. */
interface Duplicate {
  readonly excuse: string | null
}

export interface Verdict {
  readonly wrong: readonly string[]
  readonly rows: number
  readonly sends: number
  readonly duplicates: number
}

/** Everything a drained world must satisfy, from the history of its rows and the log of its target. */
export function judge(world: World): Verdict {
  const { store, target, acceptedIds } = world
  const wrong: string[] = []
  for (const id of acceptedIds) if (!store.rows.has(id)) wrong.push(`${id} was answered 202 and is not stored`)
  const events = groupById(store.history)
  const sends = groupById(target.sends)
  let duplicates = 0
  for (const row of store.rows.values()) {
    const story = new Story(row, events.get(row.id) ?? [], sends.get(row.id) ?? [])
    const found = story.duplicates()
    duplicates += found.length
    const all = [
      ...story.moves(),
      ...story.end(),
      ...story.told(),
      ...story.timing(),
      ...found.flatMap(({ excuse }) => (excuse === null ? ['sent twice without an excuse'] : [])),
    ]
    wrong.push(...all.map((what) => `${row.id} (${row.status}): ${what}`))
  }
  return { wrong, rows: store.rows.size, sends: target.sends.length, duplicates }
}

/** One notification from accept to its end. */
class Story {
  readonly #row: ModelRow
  readonly #events: readonly StoreEvent[]
  readonly #sends: readonly Send[]

  constructor(row: ModelRow, events: readonly StoreEvent[], sends: readonly Send[]) {
    this.#row = row
    this.#events = events
    this.#sends = sends
  }

  get #moved(): readonly Moved[] {
    return this.#events.filter((event) => event.kind === 'moved')
  }

  /** Only allowed moves, attempts without gaps, at every single change. */
  moves(): readonly string[] {
    return this.#moved.flatMap(({ before, after, verb }) => {
      const what = before === null ? null : wrongMove(before, after)
      return what === null ? [] : [`${verb}: ${what}`]
    })
  }

  end(): readonly string[] {
    const { status, outcomeUnknown, generation } = this.#row
    const arrived = this.#sends.some((send) => send.acceptedMs !== null && send.generation === generation)
    if (!isFinished(status)) return ['never finished']
    if (status === 'SENT' && !arrived) return ['the target never took it']
    return status !== 'SENT' && !outcomeUnknown && arrived ? ['had arrived'] : []
  }

  /** Once the database was told of a success, the row is SENT, unless it went on meanwhile. */
  told(): readonly string[] {
    const told = this.#events.filter((event): event is Told => event.kind === 'told')
    return told.flatMap(({ verb, result, row, answered }) => {
      const isLast = answered || verb === 'late_success'
      const wentOn = row.attemptCount !== result.attempt || row.generation !== result.generation
      const isOpen = row.status === 'QUEUED' || row.status === 'FAILED'
      return result.decision.kind === 'sent' && isLast && !wentOn && isOpen ? [`${verb} of a success left it open`] : []
    })
  }

  /** No send before its time, none that could outlive its lease, each under the key of its generation. */
  timing(): readonly string[] {
    const wrong: string[] = []
    let notBeforeMs = 0
    for (const event of this.#events) {
      if (event.kind === 'told') {
        const { decision } = event.result
        const isRetry = event.verb === 'settle' && event.answered && decision.kind === 'retry'
        // A repeated settle tells the same again, later.
        const isFirst = event.row.leaseToken === event.result.leaseToken && event.row.status === 'QUEUED'
        if (isRetry && isFirst && notBeforeMs === 0) notBeforeMs = event.atMs + decision.afterMs
        continue
      }
      const { verb, after, atMs } = event
      if (verb === 'accept') notBeforeMs = after.status === 'ACCEPTED' ? (after.dueAtMs ?? 0) : 0
      if (verb === 'sweep') notBeforeMs = atMs + orphanBackoffMs
      if (verb === 'defer') notBeforeMs = Math.max(notBeforeMs, after.dueAtMs ?? 0)
      if (verb === 'replay') notBeforeMs = 0
      if (verb !== 'claim') continue
      const send = this.#sendOf(after)
      if (send !== undefined) wrong.push(...wrongSend(send, after, notBeforeMs))
      notBeforeMs = 0
    }
    return wrong
  }

  /** Every copy that arrived before another of its generation, with what kept its worker from telling in time. */
  duplicates(): readonly Duplicate[] {
    const claims = this.#moved.filter((event) => event.verb === 'claim')
    const arrived = this.#sends.filter((send) => send.acceptedMs !== null).sort((a, b) => a.leaseToken - b.leaseToken)
    return arrived.flatMap((send, index) => {
      const next = arrived[index + 1]
      if (next === undefined || next.generation !== send.generation) return []
      const claim = claims.find(({ after }) => after.leaseToken === send.leaseToken)
      return [{ excuse: claim === undefined ? null : excuseFor(send, claim) }]
    })
  }

  #sendOf({ leaseToken }: ModelRow): Send | undefined {
    return this.#sends.find((send) => send.leaseToken === leaseToken)
  }
}

/** A statement that fails is repeated within this time, so an outage shows itself so shortly before the end. */
const outageShowsMs = 6_000

/** Died within the lease, was paused until its end, had no database at its end, or never heard the yes. */
function excuseFor(send: Send, claim: Moved): string | null {
  const endMs = claim.after.leaseUntilMs ?? 0
  const lastMs = Math.min(endMs, send.process.endedMs ?? endMs)
  const mishap = send.process.mishaps.find(({ kind, fromMs, untilMs }) => {
    if (kind === 'crash') return fromMs >= claim.atMs && fromMs <= endMs
    if (kind === 'pause') return fromMs <= endMs && untilMs >= endMs
    return fromMs >= lastMs - outageShowsMs && fromMs <= lastMs
  })
  return mishap?.kind ?? (send.heard === 'accepted' ? null : 'unheard')
}

function wrongSend(send: Send, claimed: ModelRow, notBeforeMs: number): readonly string[] {
  const wrong: string[] = []
  if (send.beganMs < Math.min(notBeforeMs, claimed.expiresAtMs))
    wrong.push(`sent ${notBeforeMs - send.beganMs} ms too early`)
  if (send.key !== `${claimed.id}:${claimed.generation}`) wrong.push(`sent under the key ${send.key}`)
  const leaseLeftMs = (claimed.leaseUntilMs ?? 0) - send.beganMs
  if (leaseLeftMs < simSettings.jobTimeoutMs) wrong.push(`a send began with ${leaseLeftMs} ms of its lease left`)
  return wrong
}

function groupById<T extends { readonly id: NotificationId }>(all: readonly T[]): ReadonlyMap<NotificationId, T[]> {
  const groups = new Map<NotificationId, T[]>()
  for (const one of all) {
    const group = groups.get(one.id)
    if (group === undefined) groups.set(one.id, [one])
    else group.push(one)
  }
  return groups
}
