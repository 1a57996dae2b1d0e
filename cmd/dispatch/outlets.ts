import { join } from 'node:path'
import type { ConnectionsConfig } from '../../internal/config/fields-connections.ts'
import type { Clock } from '../../internal/port/clock.ts'
import type { Logger } from '../../internal/port/telemetry.ts'
import { PostgresConnectionStore } from '../../internal/postgres/connection-store.ts'
import type { PostgresPool } from '../../internal/postgres/pool.ts'
import type { Egress } from '../../internal/provider/egress/egress.ts'
import { OutletAdmin } from '../../internal/provider/outlets/admin.ts'
import { kindOfConnector } from '../../internal/provider/outlets/connector-kind.ts'
import { OutletRegistry } from '../../internal/provider/outlets/registry.ts'
import { smtpKind } from '../../internal/provider/outlets/smtp-kind.ts'
import { Sealer } from '../../internal/provider/sealing/sealer.ts'
import type { SmtpDeps } from '../../internal/provider/smtp/outlet.ts'
import type { Environment } from './environment.ts'
import type { Breaking } from './failpoints.ts'

export interface OutletsInput {
  /** The one beside the serving pool: it is asked every few seconds. */
  readonly pool: PostgresPool
  /** Mail goes by the same rules as HTTP. */
  readonly egress: Egress & SmtpDeps['egress']
  /** Where `${NAME}` in CONNECTIONS_FILE is looked up. */
  readonly environment: Environment
  readonly clock: Clock
  readonly logger: Logger
  readonly version: string
  readonly breaking: Pick<Breaking, 'outletKind'>
}

export interface OpenOutlets {
  /** To be started after the database and before the workers, and stopped after them. */
  readonly registry: OutletRegistry
  readonly admin: OutletAdmin
}

/** Beside the code, in the sources as well as in `dist`, where the build copies it. */
const shippedDir = join(import.meta.dirname, '../../connectors')

/** Connections, routes and what operators do with them, over the database and the operator's files. */
export function openOutlets(config: ConnectionsConfig, input: OutletsInput): OpenOutlets {
  const { pool, egress, environment, clock, logger, version, breaking } = input
  const { encryptionKey, encryptionKeyPrevious, connectorsDir: ownDir, connectionsFile } = config
  const store = new PostgresConnectionStore(pool)
  const sealer = encryptionKey === null ? null : new Sealer(encryptionKey, encryptionKeyPrevious)
  const { dispatcher } = egress
  const registry = new OutletRegistry(
    { shippedDir, ownDir, connectionsFile },
    {
      store,
      sealer,
      environment,
      clock,
      logger,
      builtIn: [breaking.outletKind(smtpKind({ clock, logger, egress }))],
      kindOf(connector) {
        const kind = kindOfConnector(connector, { dispatcher, clock, version })
        return kind === null ? null : breaking.outletKind(kind)
      },
    },
  )
  const admin = new OutletAdmin({ registry, store, sealer, clock, checkUrl: (url) => egress.check(url) })
  return { registry, admin }
}
