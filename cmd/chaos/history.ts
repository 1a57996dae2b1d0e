import { openAdmin } from '../../internal/testkit/database.ts'
import { viaTag } from './providers/plan.ts'

/** A change of a row: what it was, what it became. */
export interface Change {
  readonly id: string
  /** Epoch milliseconds of the database, which runs on this machine. */
  readonly at: number
  /** Null: it was stored. */
  readonly from: string | null
  readonly to: string
  readonly attempt: number
  readonly generation: number
  readonly token: number
  readonly owner: string | null
  readonly leaseUntil: number | null
  readonly nextRetryAt: number | null
}

export interface Row {
  readonly id: string
  readonly channel: string
  readonly priority: string
  readonly status: string
  readonly reason: string | null
  readonly generation: number
  readonly attempts: number
  readonly outcomeUnknown: boolean
  readonly key: string | null
  /** It goes over connections. */
  readonly via: boolean
}

export interface Attempt {
  readonly id: string
  readonly number: number
  readonly outcome: string
}

const install = `
CREATE TABLE IF NOT EXISTS chaos_history (
  seq bigint GENERATED ALWAYS AS IDENTITY, id uuid NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(),
  from_status text, to_status text NOT NULL, attempt int NOT NULL, generation int NOT NULL, token int NOT NULL,
  owner text, lease_until timestamptz, next_retry_at timestamptz);
CREATE OR REPLACE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO chaos_history (id, from_status, to_status, attempt, generation, token, owner, lease_until, next_retry_at)
  VALUES (NEW.id, CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, NEW.status, NEW.attempt_count, NEW.generation,
          NEW.lease_token, NEW.lease_owner, NEW.lease_until, NEW.next_retry_at);
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER chaos_note AFTER INSERT OR UPDATE ON notifications FOR EACH ROW EXECUTE FUNCTION chaos_note();`

const epochMs = (column: string) => `(extract(epoch FROM ${column}) * 1000)::float8`

/** Looks into the database, past the engine and past every link. Each call has a connection of its own. */
export class History {
  readonly #url: () => Promise<string>
  readonly #schema: string

  constructor(url: () => Promise<string>, schema: string) {
    this.#url = url
    this.#schema = schema
  }

  /** Makes the database write every change of a row down, in the same transaction. The migrations must have run. */
  async install(): Promise<void> {
    await this.run(install)
  }

  async run<T extends object>(statement: string): Promise<readonly T[]> {
    const admin = openAdmin(await this.#url(), this.#schema)
    try {
      return await admin.unsafe<T[]>(statement)
    } finally {
      await admin.end({ timeout: 2 })
    }
  }

  /** Rows that somebody must still look at. */
  async unfinished(): Promise<number> {
    const [row] = await this.run<{ count: number }>(
      'SELECT count(*)::int AS count FROM notifications WHERE due_at IS NOT NULL',
    )
    return row?.count ?? Number.NaN
  }

  changes(): Promise<readonly Change[]> {
    return this.run(`SELECT id, ${epochMs('at')} AS at, from_status AS "from", to_status AS "to", attempt, generation,
      token, owner, ${epochMs('lease_until')} AS "leaseUntil", ${epochMs('next_retry_at')} AS "nextRetryAt"
      FROM chaos_history ORDER BY seq`)
  }

  rows(): Promise<readonly Row[]> {
    return this.run(`SELECT n.id, n.channel, (ARRAY['HIGH', 'NORMAL', 'LOW'])[n.priority] AS priority, n.status, n.reason, n.generation, n.attempt_count AS attempts,
      n.outcome_unknown AS "outcomeUnknown", p.idempotency_key AS key, COALESCE('${viaTag}' = ANY(p.tags), false) AS via
      FROM notifications n LEFT JOIN payloads p USING (id)`)
  }

  attempts(): Promise<readonly Attempt[]> {
    return this.run('SELECT notification_id AS id, number, outcome FROM attempts ORDER BY notification_id, number')
  }

  /** One line for each change of these rows, for a person to look at. */
  async story(ids: readonly string[]): Promise<string> {
    const lines = await this.run<{ line: string }>(`SELECT concat_ws(' ', h.id, to_char(h.at, 'HH24:MI:SS.MS'),
      h.from_status, h.to_status, 'attempt', h.attempt, 'token', h.token, h.owner, n.channel, n.priority) AS line
      FROM chaos_history h JOIN notifications n USING (id)
      WHERE h.id IN (${ids.map((id) => `'${id}'`).join(', ')}) ORDER BY h.id, h.seq`)
    return lines.map(({ line }) => `\n    ${line}`).join('')
  }

  /** Rows that keep a drain from ending, for a person to look at. */
  stuck(): Promise<readonly { readonly id: string }[]> {
    return this.run(`SELECT id, status, attempt_count, max_attempts, publish_count, lease_owner, lease_until, due_at,
      next_retry_at, now() FROM notifications WHERE due_at IS NOT NULL ORDER BY due_at DESC LIMIT 3`)
  }
}
