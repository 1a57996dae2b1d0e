import { byChannel, type Channel } from '../domain/notification.ts'
import { maxJitterMsDefault } from '../domain/retry-policy.ts'
import type { ChannelLimit, Config, DatabaseConfig } from './config.ts'
import { checkTogether, leaseMarginMs, leaseMsDefault, warnTogether } from './cross-checks.ts'
import { type Environment, SettingsReader } from './reader.ts'
import { type Readings, readAll } from './readings.ts'
import { expandRoles } from './roles.ts'
import { chooseTargets } from './targets.ts'
import { findTypos } from './typos.ts'
import type { DatabaseTarget } from './urls.ts'

const scanIntervalMsDefault = 5_000
const scanLimitDefault = 100

/** The settings do not allow a start. `problems` and the message name every one of them; no secrets in it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    const many = problems.length === 1 ? 'a problem' : `${problems.length} problems`
    super([`The settings have ${many}:`, ...problems.map((problem) => `  - ${problem}`)].join('\n'))
    this.problems = problems
  }
}

/**
 * Reads and checks every setting. Empty values count as not set. Pure: the caller reads the environment and `.env`.
 * @throws ConfigError with all problems at once.
 */
export function loadConfig(environment: Environment): Config {
  const reader = new SettingsReader(environment)
  const r = readAll(reader)
  const targets = chooseTargets(r, reader.problems)
  const problems = [...reader.problems, ...checkTogether(r, targets)]
  const { database, broker, redis } = targets
  if (problems.length > 0 || database === null || broker === null || redis === null) throw new ConfigError(problems)
  return {
    database: databaseConfig(database, r),
    broker,
    redis,
    webhookUrl: r.webhookUrl.value,
    roles: expandRoles(r.role.value),
    http: {
      // Whoever tries the engine on a laptop should not open it to the whole network.
      host: r.host.value ?? (targets.builtIn.length > 0 ? '127.0.0.1' : '0.0.0.0'),
      port: r.port.value,
      apiKey: r.apiKey.value,
      corsOrigins: r.corsOrigins.value ?? [],
    },
    log: { level: r.logLevel.value, format: r.logFormat.value },
    egress: {
      allowNets: r.allowNets.value ?? [],
      denyNets: r.denyNets.value ?? [],
      ports: r.egressPorts.value,
      plainHttp: r.egressHttp.value,
      proxyUrl: r.egressProxy.value,
    },
    connections: {
      encryptionKey: r.encryptionKey.value,
      encryptionKeyPrevious: r.encryptionKeyPrevious.value,
      connectorsDir: r.connectorsDir.value,
      connectionsFile: r.connectionsFile.value,
    },
    ...pacing(r),
    ...times(r),
    production: r.nodeEnv.value === 'production',
    failpoints: failpointsOf(r),
    warnings: [...reader.warnings, ...warnTogether(r, targets), ...findTypos(environment)],
  }
}

function failpointsOf(r: Readings): Config['failpoints'] {
  const rules = r.failpoints.value ?? []
  return rules.length === 0 ? null : { rules, seed: r.failpointSeed.value }
}

function databaseConfig(target: DatabaseTarget, r: Readings): DatabaseConfig {
  const common = {
    schema: r.schema.value,
    migrationsTable: r.migrationsTable.value,
    poolMax: r.poolMax.value,
    migrateOnStart: r.migrateOnStart.value,
  }
  return target.kind === 'embedded' ? { ...target, dataDir: r.dataDir.value, ...common } : { ...target, ...common }
}

function pacing(r: Readings): Pick<Config, 'limits' | 'worker' | 'scan' | 'retry'> {
  const send = (channel: Channel): ChannelLimit => {
    const perSecond = r.channelRates.get(channel)?.value ?? r.ratePerSecond.value
    return { perSecond, burst: r.rateBurst.value ?? Math.max(1, Math.floor(perSecond / 10)) }
  }
  // A whole second's worth, so that the scan may sleep between two passes without losing rate.
  const release = (channel: Channel): ChannelLimit => {
    const { perSecond } = send(channel)
    return { perSecond, burst: Math.max(1, perSecond) }
  }
  return {
    limits: { send: byChannel(send), release: byChannel(release) },
    worker: {
      concurrencyPerChannel: r.concurrency.value,
      shortcut: r.shortcut.value,
      jobTimeoutMs: r.jobTimeoutMs.value,
    },
    scan: {
      intervalMs: ofBoth(Math.min, scanIntervalMsDefault, r.retryScanIntervalMs.value, r.schedulerScanIntervalMs.value),
      limit: ofBoth(Math.max, scanLimitDefault, r.retryScanLimit.value, r.schedulerScanLimit.value),
    },
    retry: {
      baseDelayMs: r.retryBaseDelayMs.value,
      maxDelayMs: r.retryMaxDelayMs.value,
      maxJitterMs: maxJitterMsDefault,
      maxRetries: r.maxRetries.value,
    },
  }
}

/** One scan serves what were two: of the values given, the one that serves both. */
function ofBoth(
  choose: (...values: number[]) => number,
  fallback: number,
  ...values: readonly (number | null)[]
): number {
  const given = values.filter((value) => value !== null)
  return given.length === 0 ? fallback : choose(...given)
}

type Times =
  | 'idempotencyTtlSeconds'
  | 'notificationTtlMs'
  | 'leaseMs'
  | 'brokerConsumerTimeoutMs'
  | 'shutdownTimeoutMs'
  | 'startupTimeoutMs'

function times(r: Readings): Pick<Config, Times> {
  const leaseSecondsDefault = Math.ceil(Math.max(leaseMsDefault, r.jobTimeoutMs.value + leaseMarginMs) / 1_000)
  return {
    idempotencyTtlSeconds: r.idempotencyTtlSeconds.value,
    notificationTtlMs: r.notificationTtlMs.value,
    leaseMs: (r.leaseSeconds.value ?? leaseSecondsDefault) * 1_000,
    brokerConsumerTimeoutMs: r.brokerConsumerTimeoutMs.value,
    shutdownTimeoutMs: r.shutdownTimeoutMs.value,
    startupTimeoutMs: r.startupTimeoutMs.value,
  }
}
