import type { ConnectionPause, Tier } from '../domain/connection.ts'
import type { Channel, JsonObject } from '../domain/notification.ts'
import type { Statement } from './pool.ts'

/**
 * Every write begins with the fence: the one row of `connection_revision` is raised only while it still is what the
 * caller's checks were made against ($1). A writer that had to wait for the row sees its new number, finds its own
 * passed and writes nothing. Whoever gets through has seen every write before: the rest of the statement needs no locks.
 */
const fence = `
WITH f AS (UPDATE connection_revision SET revision = revision + 1 WHERE revision = $1::int RETURNING revision)`

interface RevisionRow {
  readonly revision: number
}

export const revisionStatement: Statement<RevisionRow> = {
  name: 'connection_revision',
  text: 'SELECT revision FROM connection_revision',
}

/** Dates come as text: JSON has none. */
interface KeptJson {
  readonly revision: number
  readonly createdAt: string
  readonly updatedAt: string
}

export interface ConnectionJson extends KeptJson {
  readonly id: string
  readonly connector: string
  readonly channel: Channel
  readonly config: JsonObject
  readonly secrets: Readonly<Record<string, string>>
  readonly enabled: boolean
}

export interface RouteJson extends KeptJson {
  readonly channel: Channel
  readonly tag: string
  readonly tiers: readonly Tier[]
  readonly tryTimeoutMs: number | null
  readonly totalTimeoutMs: number | null
}

export interface PauseJson extends Pick<ConnectionPause, 'code' | 'reason'> {
  readonly id: string
  readonly since: string
}

export interface EverythingRow extends RevisionRow {
  readonly connections: readonly ConnectionJson[]
  readonly routes: readonly RouteJson[]
  readonly pauses: readonly PauseJson[]
}

/** One statement, so that all of it is of one moment. */
export const readConnectionsStatement: Statement<EverythingRow> = {
  name: 'read_connections',
  text: `
SELECT r.revision,
  (SELECT COALESCE(json_agg(json_build_object('id', id, 'connector', connector, 'channel', channel, 'config', config,
     'secrets', secrets, 'enabled', enabled, 'revision', revision, 'createdAt', created_at, 'updatedAt', updated_at)
     ORDER BY id), '[]') FROM connections) AS connections,
  (SELECT COALESCE(json_agg(json_build_object('channel', channel, 'tag', tag, 'tiers', tiers,
     'tryTimeoutMs', try_timeout_ms, 'totalTimeoutMs', total_timeout_ms, 'revision', revision,
     'createdAt', created_at, 'updatedAt', updated_at)
     ORDER BY channel, tag), '[]') FROM routes) AS routes,
  (SELECT COALESCE(json_agg(json_build_object('id', connection_id, 'code', code, 'reason', reason, 'since', paused_at)
     ORDER BY connection_id), '[]') FROM connection_pauses) AS pauses
FROM connection_revision r`,
}

/** $1 since, $2 id, $3 connector, $4 channel, $5 config, $6 secrets, $7 enabled. No row: stale. */
export const saveConnectionStatement: Statement<RevisionRow> = {
  name: 'save_connection',
  text: `${fence},
p AS (
  DELETE FROM connection_pauses p USING f
  WHERE p.connection_id = $2 AND NOT EXISTS (SELECT 1 FROM connections WHERE id = $2))
INSERT INTO connections AS c (id, connector, channel, config, secrets, enabled, revision, created_at, updated_at)
SELECT $2, $3, $4, $5::text::jsonb, $6::text::jsonb, $7::bool, f.revision, now(), now() FROM f
ON CONFLICT (id) DO UPDATE SET connector = excluded.connector, channel = excluded.channel, config = excluded.config,
  secrets = excluded.secrets, enabled = excluded.enabled, revision = excluded.revision, updated_at = excluded.updated_at
RETURNING c.revision`,
}

/** $1 since, $2 id. No row: stale. */
export const removeConnectionStatement: Statement<RevisionRow> = {
  name: 'remove_connection',
  text: `${fence},
p AS (DELETE FROM connection_pauses p USING f WHERE p.connection_id = $2),
c AS (DELETE FROM connections c USING f WHERE c.id = $2)
SELECT revision FROM f`,
}

/** $1 since, $2 channel, $3 tag, $4 tiers, $5 ms of a try, $6 ms in all. No row: stale. */
export const saveRouteStatement: Statement<RevisionRow> = {
  name: 'save_route',
  text: `${fence}
INSERT INTO routes AS r (channel, tag, tiers, try_timeout_ms, total_timeout_ms, revision, created_at, updated_at)
SELECT $2, $3, $4::text::jsonb, $5::int, $6::bigint, f.revision, now(), now() FROM f
ON CONFLICT (channel, tag) DO UPDATE SET tiers = excluded.tiers, try_timeout_ms = excluded.try_timeout_ms,
  total_timeout_ms = excluded.total_timeout_ms, revision = excluded.revision, updated_at = excluded.updated_at
RETURNING r.revision`,
}

/** $1 since, $2 channel, $3 tag. No row: stale. */
export const removeRouteStatement: Statement<RevisionRow> = {
  name: 'remove_route',
  text: `${fence},
r AS (DELETE FROM routes r USING f WHERE r.channel = $2 AND r.tag = $3)
SELECT revision FROM f`,
}

/** $1 since, $2 id, $3 code, $4 reason. No row: stale. */
export const pauseStatement: Statement<RevisionRow> = {
  name: 'pause_connection',
  text: `${fence},
p AS (
  INSERT INTO connection_pauses (connection_id, code, reason, paused_at) SELECT $2, $3, $4, now() FROM f
  ON CONFLICT (connection_id) DO NOTHING)
SELECT revision FROM f`,
}

/**
 * $1 id. Not fenced: no check of anybody rests on it. The revision goes up only when there is something to do, and
 * first, as in every write: two that took these locks in another order could wait for each other.
 */
export const resumeStatement: Statement<unknown> = {
  name: 'resume_connection',
  text: `
WITH f AS (
  UPDATE connection_revision SET revision = revision + 1
  WHERE EXISTS (SELECT 1 FROM connection_pauses WHERE connection_id = $1) RETURNING revision)
DELETE FROM connection_pauses p USING f WHERE p.connection_id = $1`,
}
