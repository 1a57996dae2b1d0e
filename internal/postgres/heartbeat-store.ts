import { type Channel, lanes } from '../domain/notification.ts'
import type { HeartbeatStore, QueueFigures, WorkerBeat } from '../port/health.ts'
import type { PostgresPool, Statement } from './pool.ts'
import { type LaneRow, laneArrays, toLane } from './rows.ts'

/** Rows looked at per lane, longest due first; a deeper lane is shown with this depth. Figures must stay cheap. */
export const depthCountMax = 50_000

const beatStatement: Statement<unknown> = {
  name: 'beat',
  text: `
INSERT INTO workers AS w (id, role, in_flight, last_seen_at) VALUES ($1, $2, $3::int, now())
ON CONFLICT (id) DO UPDATE SET role = excluded.role, in_flight = excluded.in_flight, last_seen_at = excluded.last_seen_at`,
}

interface WorkerRow extends WorkerBeat {
  readonly ageSeconds: number
}

const findWorkersStatement: Statement<WorkerRow> = {
  name: 'find_workers',
  text: `
SELECT id, role, in_flight AS "inFlight", last_seen_at AS "lastSeenAt",
       GREATEST(0, extract(epoch FROM now() - last_seen_at))::float8 AS "ageSeconds"
FROM workers WHERE last_seen_at >= now() - $1::float8 * interval '1 s' ORDER BY id`,
}

/** Rows of processes that were killed would stay for ever; whoever leaves in order tidies up after them. */
const leaveStatement: Statement<unknown> = {
  name: 'leave',
  text: `DELETE FROM workers WHERE id = $1 OR last_seen_at < now() - interval '1 day'`,
}

interface FigureRow extends LaneRow {
  readonly count: number
  readonly dueAgeSeconds: number | null
}

/**
 * $1 channels, $2 priorities, $3 most rows to look at. A future schedule is no queue; a row in SENDING does not wait.
 * The age counts from when a row could have been sent: its due time moves with every vain publish.
 */
const figuresStatement: Statement<FigureRow> = {
  name: 'queue_figures',
  text: `
SELECT l.channel, l.priority, d.count, d."dueAgeSeconds"
FROM unnest($1::text[], $2::smallint[]) AS l(channel, priority)
CROSS JOIN LATERAL (
  SELECT count(*) FILTER (WHERE x.status = 'QUEUED' OR x.ready_at <= now())::int AS count,
         (extract(epoch FROM now() - min(x.ready_at) FILTER (WHERE x.ready_at <= now())))::float8 AS "dueAgeSeconds"
  FROM (
    SELECT n.status, n.ready_at FROM notifications n
    WHERE n.channel = l.channel AND n.priority = l.priority AND n.due_at IS NOT NULL AND n.status <> 'SENDING'
    ORDER BY n.due_at LIMIT $3::int) AS x) AS d`,
}

/** Signs of life of the processes that work on queues, and how much waits for them. */
export class PostgresHeartbeatStore implements HeartbeatStore {
  readonly #pool: PostgresPool

  constructor(pool: PostgresPool) {
    this.#pool = pool
  }

  async beat(worker: { readonly id: string; readonly role: string; readonly inFlight: number }): Promise<void> {
    await this.#pool.run(beatStatement, [worker.id, worker.role, worker.inFlight])
  }

  findWorkers(withinSeconds: number): Promise<readonly WorkerRow[]> {
    return this.#pool.run(findWorkersStatement, [withinSeconds])
  }

  async leave(id: string): Promise<void> {
    await this.#pool.run(leaveStatement, [id])
  }

  /** `depth` looks at {@link depthCountMax} rows per lane at most; lanes without any are left out. */
  async queueFigures(): Promise<QueueFigures> {
    const rows = await this.#pool.run(figuresStatement, [...laneArrays(lanes), depthCountMax])
    const byChannel: Partial<Record<Channel, number>> = {}
    for (const { channel, dueAgeSeconds } of rows) {
      if (dueAgeSeconds !== null) byChannel[channel] = Math.max(byChannel[channel] ?? 0, dueAgeSeconds)
    }
    return {
      depth: rows.filter((row) => row.count > 0).map((row) => ({ ...toLane(row), count: row.count })),
      oldestDueAgeSeconds: Math.max(0, ...Object.values(byChannel)),
      oldestDueAgeSecondsByChannel: byChannel,
    }
  }
}
