import type { Config } from '../../internal/config/config.ts'
import type { Logger } from '../../internal/port/telemetry.ts'
import { PostgresHealth } from '../../internal/postgres/health.ts'
import { PostgresHeartbeatStore } from '../../internal/postgres/heartbeat-store.ts'
import { DatabaseLink } from '../../internal/postgres/link.ts'
import { PostgresNotificationStore } from '../../internal/postgres/notification-store.ts'
import { PostgresPool, type PostgresPoolDeps } from '../../internal/postgres/pool.ts'
import type { Metrics } from '../../internal/telemetry/metrics.ts'
import type { Breaking } from './failpoints.ts'

type PoolTelemetry = PostgresPoolDeps['telemetry']

/** Scan, probes and figures have connections of their own, so that they never stand behind accept and settle. */
const sidePoolMax = 3

export interface StoresInput {
  readonly databaseUrl: string
  readonly logger: Logger
  readonly telemetry: Metrics
  readonly breaking: Breaking
}

export type Stores = ReturnType<typeof openStores>

/** What keeps its rows in PostgreSQL, and the pools of connections it does that over. */
export function openStores(config: Config, { databaseUrl, logger, telemetry, breaking }: StoresInput) {
  const { schema, poolMax } = config.database
  const link = new DatabaseLink({ telemetry, logger })
  const options = { url: databaseUrl, schema, applicationName: 'dispatch-engine' }
  const shareForRest = Math.floor(poolMax / 3) || 1
  const [forWork, forRest] = addUp(telemetry)
  // Accept and settle never stand behind somebody's questions, and only they keep their plans.
  const work = new PostgresPool(
    { ...options, max: poolMax - shareForRest, plans: 'kept' },
    { telemetry: forWork, link },
  )
  const rest = new PostgresPool({ ...options, max: shareForRest }, { telemetry: forRest, link })
  // The pool gauges speak of the pools that DB_POOL_MAX sizes.
  const sideTelemetry = { query: telemetry.query.bind(telemetry), pool: () => undefined }
  const sidePool = new PostgresPool(
    { ...options, max: sidePoolMax, applicationName: 'dispatch-engine-side' },
    { telemetry: sideTelemetry, link },
  )
  return {
    pool: rest,
    sidePool,
    main: breaking.store(new PostgresNotificationStore({ work, rest }, config)),
    side: breaking.store(new PostgresNotificationStore({ work: sidePool, rest: sidePool }, config)),
    heartbeat: new PostgresHeartbeatStore(sidePool),
    check: new PostgresHealth(sidePool),
    async close() {
      await Promise.all([work.end(), rest.end(), sidePool.end()])
    },
  }
}

/** The gauges of two pools as those of one. */
function addUp(telemetry: Metrics): readonly [PoolTelemetry, PoolTelemetry] {
  const none = { inUse: 0, waiting: 0, generation: 0 }
  const figures = [none, none]
  const part = (index: number): PoolTelemetry => ({
    query: telemetry.query.bind(telemetry),
    pool(state) {
      figures[index] = state
      telemetry.pool({
        inUse: sum(figures.map((one) => one.inUse)),
        waiting: sum(figures.map((one) => one.waiting)),
        generation: sum(figures.map((one) => one.generation)),
      })
    },
  })
  return [part(0), part(1)]
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}
