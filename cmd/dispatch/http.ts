import { createHash } from 'node:crypto'
import type { Config } from '../../internal/config/config.ts'
import { makeAccept } from '../../internal/dispatch/accept.ts'
import { makeFindRefusedLimit } from '../../internal/dispatch/accept-limits.ts'
import { makeCancel } from '../../internal/dispatch/cancel.ts'
import type { Starter } from '../../internal/dispatch/head-start.ts'
import type { Publish } from '../../internal/dispatch/publish.ts'
import { makeQueries } from '../../internal/dispatch/query.ts'
import { makeReplay } from '../../internal/dispatch/replay.ts'
import { defaultTenant } from '../../internal/domain/notification.ts'
import { makeApp } from '../../internal/httpapi/app.ts'
import { Readiness } from '../../internal/httpapi/health.ts'
import { HttpServer } from '../../internal/httpapi/server.ts'
import { makeNewId } from '../../internal/lifecycle/new-id.ts'
import type { BucketFiguresReader } from '../../internal/port/bucket-figures.ts'
import type { Clock } from '../../internal/port/clock.ts'
import type { ConnectionAdmin } from '../../internal/port/connection-admin.ts'
import type { HealthCheck, HeartbeatStore } from '../../internal/port/health.ts'
import type { NotificationStore } from '../../internal/port/notification-store.ts'
import type { Outlets } from '../../internal/port/outlet.ts'
import type { ParkedMessages } from '../../internal/port/parked.ts'
import type { StandInFor } from '../../internal/port/telemetry.ts'
import type { PinoLogger } from '../../internal/telemetry/logger.ts'
import type { Metrics } from '../../internal/telemetry/metrics.ts'

export interface HttpInput {
  readonly store: NotificationStore
  readonly heartbeat: HeartbeatStore
  readonly checks: readonly HealthCheck[]
  readonly parked: ParkedMessages
  readonly dispatchWithout: () => readonly StandInFor[]
  readonly connections: ConnectionAdmin
  readonly outlets: Outlets
  readonly bucketFigures: BucketFiguresReader
  readonly publish: Publish
  readonly starter: Starter | undefined
  readonly wakeScanIn: (ms: number) => void
  /** Told of all rows that were not answered yet. */
  readonly unanswered: (rows: number) => void
  readonly telemetry: Metrics
  readonly logger: PinoLogger
  readonly clock: Clock
  readonly version: string
  readonly role: string
  /** False: probes and metrics only. */
  readonly servesApi: boolean
}

/** Accept statements under way at once, and rows that may wait for one: beyond it requests are told to come back. */
const acceptSettings = { maxInFlight: 2, maxWaitingRows: 20_000 }

export function makeHttp(config: Config, input: HttpInput): { readonly server: HttpServer } {
  const { store, publish, starter, wakeScanIn, unanswered, telemetry, logger, clock } = input
  const readiness = new Readiness()
  const newId = makeNewId()
  const hash = (text: string) => createHash('sha256').update(text).digest('hex')
  const showLog = logWatch(logger, telemetry)
  const app = makeApp(
    {
      accept: makeAccept(
        { store, publish, starter, telemetry, clock, newId, hash, wakeScanIn, unanswered },
        acceptSettings,
      ),
      cancel: makeCancel({ store }),
      replay: makeReplay({ store, publish }),
      queries: makeQueries(store),
      checks: input.checks,
      heartbeat: input.heartbeat,
      parked: input.parked,
      dispatchWithout: input.dispatchWithout,
      connections: input.connections,
      findRefusedLimit: makeFindRefusedLimit(input.outlets),
      bucketFigures: input.bucketFigures,
      metricsText: () => {
        showLog()
        return telemetry.metricsText()
      },
      readiness,
      telemetry,
      logger,
      clock,
      newRequestId: newId,
    },
    {
      version: input.version,
      role: input.role,
      servesApi: input.servesApi,
      apiKey: config.http.apiKey,
      corsOrigins: config.http.corsOrigins,
      maxRetriesDefault: config.retry.maxRetries,
      tenant: defaultTenant,
    },
  )
  const server = new HttpServer(
    { app, readiness, logger, clock, telemetry },
    { host: config.http.host, port: config.http.port },
  )
  return { server }
}

/** The logger is there before any metric, so it is asked when somebody looks. */
function logWatch(logger: PinoLogger, telemetry: Metrics): () => void {
  let told = 0
  return () => {
    const { waitingBytes, waitingBytesMax, dropped } = logger.backlog
    telemetry.bound('log_bytes', { inUse: waitingBytes, limit: waitingBytesMax })
    telemetry.refused('log_bytes', dropped - told)
    told = dropped
  }
}
