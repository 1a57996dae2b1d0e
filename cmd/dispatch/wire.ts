import type { Config } from '../../internal/config/config.ts'
import { Degradation } from '../../internal/dispatch/degradation.ts'
import { makeDeliver } from '../../internal/dispatch/deliver.ts'
import { makeHandBack } from '../../internal/dispatch/hand-back.ts'
import { makePublish } from '../../internal/dispatch/publish.ts'
import type { Router } from '../../internal/dispatch/router.ts'
import { makeScan } from '../../internal/dispatch/scan.ts'
import { makeSettle } from '../../internal/dispatch/settle.ts'
import { withShortcut } from '../../internal/dispatch/shortcut.ts'
import { makeWorker, type Worker } from '../../internal/dispatch/worker.ts'
import { channels } from '../../internal/domain/notification.ts'
import type { Component } from '../../internal/lifecycle/component.ts'
import { collectGarbage, makeMemoryAtRest, processCpuMs } from '../../internal/lifecycle/memory-at-rest.ts'
import { makePoller } from '../../internal/lifecycle/poller.ts'
import { systemClock as clock } from '../../internal/lifecycle/system-clock.ts'
import type { NotificationStore } from '../../internal/port/notification-store.ts'
import type { Logger } from '../../internal/port/telemetry.ts'
import { expedite } from '../../internal/postgres/scan.ts'
import { type Egress, openEgress } from '../../internal/provider/egress/egress.ts'
import { WebhookProvider } from '../../internal/provider/webhook.ts'
import type { PinoLogger } from '../../internal/telemetry/logger.ts'
import { Metrics } from '../../internal/telemetry/metrics.ts'
import { prepareDatabase } from './database.ts'
import type { Environment } from './environment.ts'
import { type Breaking, openFailpoints } from './failpoints.ts'
import { heartbeats } from './heartbeats.ts'
import { makeHttp } from './http.ts'
import { openOutlets } from './outlets.ts'
import { partsFor, roleName } from './roles.ts'
import { openRouting } from './routing.ts'
import { startStep, stopStep } from './steps.ts'
import { openStores, type Stores } from './stores.ts'
import { openBroker, openRateLimiter } from './technologies.ts'
import { warnOf } from './warn.ts'
import { watch } from './watch.ts'

export interface WireInput {
  readonly databaseUrl: string
  readonly webhookUrl: string
  readonly logger: PinoLogger
  /** Names this process in leases and heartbeats. */
  readonly instanceId: string
  readonly version: string
  /** Where `${NAME}` in CONNECTIONS_FILE is looked up. */
  readonly environment: Environment
}

export interface Engine {
  /** In the order of their start. */
  readonly components: readonly Component[]
  /** Called at the first signal: from here on the process says that it is not ready. */
  stopping(): void
}

const figuresMs = 5_000
const settlesInFlightMax = 2
/** Rows without their 202 that make sends step back: a client waits for them, while what is accepted is safe. */
const pressedRows = 500
/** Kept back at the end of the stop for closing links; results PostgreSQL has not taken by then are left to the sweep. */
const closeReserveMs = 5_000

/** Puts the parts of a process together: which ones, by its roles; on which technology, in technologies.ts. */
export function wire(config: Config, input: WireInput): Engine {
  const { logger, version } = input
  const telemetry = new Metrics({ version, node: process.version })
  const parts = partsFor(config.roles)
  const role = roleName(config.roles)
  const breaking = openFailpoints(config, logger, clock)
  const degradation = new Degradation({ logger, telemetry })
  const observers = { logger, telemetry, degradation }
  const stores = openStores(config, { databaseUrl: input.databaseUrl, logger, telemetry, breaking })
  const handBack = makeHandBack({ store: stores.side, logger, clock })
  const messages = openBroker(config, observers, breaking, handBack)
  const pace = openRateLimiter(config, observers)
  const { broker } = messages
  const { rateLimiter } = pace
  const shortcut = withShortcut(broker)
  const publish = makePublish({ broker: shortcut })

  // In split roles the broker decides who releases: while it is away, workers do it for themselves, and a scheduler
  // would only put off rows that nobody can get.
  const watched = parts.has('worker') && parts.has('scan') ? null : watch(messages.check, clock)
  const mayRelease = () => watched === null || watched.isAway() === parts.has('worker')
  const scanSettings = { ...config.scan, sweeps: parts.has('scan') }
  const scan =
    parts.has('scan') || parts.has('worker')
      ? makeScan(
          { store: stores.side, rateLimiter, publish, clock, telemetry, logger, mayRelease, random: Math.random },
          scanSettings,
        )
      : null
  const wakeScanIn = (ms: number) => scan?.wakeIn(ms)
  const giveUp = new AbortController()
  const egress = openOutgoing(config, input)
  const outlets = openOutlets(config.connections, {
    pool: stores.sidePool,
    egress,
    environment: input.environment,
    clock,
    logger,
    version,
    breaking,
  })
  const { registry } = outlets
  const routing = openRouting(config, {
    outlets: registry,
    pauser: registry,
    telemetry: telemetry.connections,
    logger,
  })
  const shareAmong = (replicas: number) => {
    pace.shareAmong(replicas)
    routing.shareAmong(replicas)
  }
  let unanswered = 0
  const work = parts.has('worker')
    ? openWorker(config, input, {
        store: stores.main,
        rateLimiter,
        broker,
        telemetry,
        wakeScanIn,
        isAcceptPressed: () => unanswered >= pressedRows,
        giveUp: giveUp.signal,
        breaking,
        egress,
        router: routing.router,
      })
    : null
  if (work !== null && config.worker.shortcut) shortcut.attach(work.worker)
  const checks = [stores.check, pace.check, messages.check]
  const http = makeHttp(config, {
    store: stores.main,
    heartbeat: stores.heartbeat,
    checks,
    parked: messages.parked,
    dispatchWithout: () => degradation.without,
    connections: outlets.admin,
    outlets: registry,
    bucketFigures: routing.figures,
    publish,
    starter: config.worker.shortcut ? work?.worker : undefined,
    wakeScanIn,
    unanswered: (rows) => void (unanswered = rows),
    telemetry,
    logger,
    clock,
    version,
    role,
    servesApi: parts.has('api'),
  })
  const components = [
    stopStep('pools', () => stores.close()),
    startStep('database', () => prepareDatabase(config, input.databaseUrl, stores.pool, clock, logger)),
    ...(config.broker.kind === 'memory' ? [startStep('left work', () => takeUpLeftWork(stores, logger))] : []),
    stopStep('egress', () => egress.close()),
    registry,
    ...messages.components,
    ...pace.components,
    ...routing.components,
    // Before the workers, so that it stops after them: probes are answered, and say not ready, until the sends have ended.
    http.server,
    ...(parts.has('worker') || parts.has('scan')
      ? heartbeats(
          { heartbeat: stores.heartbeat, clock, logger },
          { id: input.instanceId, role, inFlight: () => work?.worker.inFlight() ?? 0, shareAmong },
        )
      : []),
    ...(watched === null ? [] : [watched.component]),
    ...(work === null ? [] : [work.worker]),
    ...(scan === null ? [] : [scan]),
    figures(stores, telemetry, logger),
    makeMemoryAtRest({
      clock,
      cpuMs: processCpuMs,
      collect: collectGarbage,
      onError: warnOf('memory was not given back', logger),
    }),
  ].map((component) => breaking.component(component))
  return {
    components,
    stopping() {
      http.server.beginStop()
      // At once, not in their turn: no send may begin while others stop, and the sends under way need the whole budget.
      const onError = warnOf('early stop failed', logger)
      const early = components.filter(({ name }) => name === 'worker' || name === 'scan')
      for (const component of early) component.stop().catch(onError)
      const lastSettleMs = Math.max(0, config.shutdownTimeoutMs - closeReserveMs)
      void clock.sleep(lastSettleMs).then(() => giveUp.abort(new Error('stopping')))
    },
  }
}

/** A broker inside the process has lost what an earlier process published: its rows need not wait to be looked at again. */
async function takeUpLeftWork({ pool }: Stores, logger: Logger): Promise<void> {
  const count = await expedite(pool)
  if (count > 0) logger.info('taking up what an earlier process left', { count })
}

interface WorkerParts
  extends Pick<Parameters<typeof makeWorker>[0], 'rateLimiter' | 'broker' | 'wakeScanIn' | 'isAcceptPressed'> {
  readonly store: NotificationStore
  readonly breaking: Breaking
  readonly telemetry: Metrics
  readonly giveUp: AbortSignal
  readonly egress: Egress
  readonly router: Router
}

function openOutgoing(config: Config, { webhookUrl }: WireInput): Egress {
  // Without routes every channel sends to the same origin.
  const connections = config.worker.concurrencyPerChannel * channels.length
  return openEgress({ ...config.egress, trustedUrls: [webhookUrl], connections }, { clock })
}

function openWorker(
  config: Config,
  { webhookUrl, logger, instanceId, version }: WireInput,
  { store, telemetry, giveUp, breaking, egress, router, ...others }: WorkerParts,
): { readonly worker: Worker } {
  const { concurrencyPerChannel: concurrency, jobTimeoutMs } = config.worker
  const provider = new WebhookProvider({ url: webhookUrl, version }, { logger, clock, egress })
  const common = { store, clock, telemetry, logger, wakeScanIn: others.wakeScanIn }
  const settle = makeSettle({ ...common, giveUp }, { maxInFlight: settlesInFlightMax })
  const deliver = makeDeliver(
    { ...common, provider: breaking.provider(provider), router, settle, giveUp, random: Math.random },
    { jobTimeoutMs, retry: config.retry },
  )
  const unpaced = new Set(channels.filter((channel) => config.limits.send[channel].perSecond === 0))
  const worker = makeWorker(
    { ...common, ...others, deliver },
    { concurrency, leaseMs: config.leaseMs, owner: instanceId, unpaced },
  )
  return { worker }
}

function figures({ heartbeat }: Stores, telemetry: Metrics, logger: Logger): Component {
  const read = async () => telemetry.queueFigures(await heartbeat.queueFigures())
  return makePoller('queue figures', figuresMs, clock, read, warnOf('queue figures were not read', logger))
}
