import type { Channel } from '../domain/notification.ts'
import { fields } from './fields.ts'
import { readConnectionFields } from './fields-connections.ts'
import { channelRates } from './fields-dispatch.ts'
import type { Reading, SettingsReader } from './reader.ts'

/** Reads everything the engine uses, and so reports every value that cannot be read. */
export function readAll(from: SettingsReader) {
  return {
    embedded: from.read(fields.embedded),
    database: from.readOpen(fields.database),
    broker: from.readOpen(fields.broker),
    redis: from.readOpen(fields.redis),
    webhookUrl: from.readOpen(fields.webhookUrl),
    dataDir: from.readOpen(fields.dataDir),
    role: from.read(fields.role),
    nodeEnv: from.readOpen(fields.nodeEnv),
    startupTimeoutMs: from.read(fields.startupTimeoutMs),
    shutdownTimeoutMs: from.read(fields.shutdownTimeoutMs),
    port: from.read(fields.port),
    host: from.readOpen(fields.host),
    apiKey: from.readOpen(fields.apiKey),
    corsOrigins: from.readOpen(fields.corsOrigins),
    logLevel: from.read(fields.logLevel),
    logFormat: from.read(fields.logFormat),
    concurrency: from.read(fields.concurrency),
    jobTimeoutMs: from.read(fields.jobTimeoutMs),
    leaseSeconds: from.readOpen(fields.leaseSeconds),
    shortcut: from.read(fields.shortcut),
    brokerConsumerTimeoutMs: from.read(fields.brokerConsumerTimeoutMs),
    allowNets: from.readOpen(fields.allowNets),
    denyNets: from.readOpen(fields.denyNets),
    egressPorts: from.read(fields.egressPorts),
    egressHttp: from.read(fields.egressHttp),
    egressProxy: from.readOpen(fields.egressProxy),
    ...readConnectionFields(from),
    ratePerSecond: from.read(fields.ratePerSecond),
    rateBurst: from.readOpen(fields.rateBurst),
    channelRates: new Map<Channel, Reading<number | null>>(
      channelRates.map(({ channel, field }) => [channel, from.readOpen(field)]),
    ),
    maxRetries: from.read(fields.maxRetries),
    retryBaseDelayMs: from.read(fields.retryBaseDelayMs),
    retryMaxDelayMs: from.read(fields.retryMaxDelayMs),
    retryScanIntervalMs: from.readOpen(fields.retryScanIntervalMs),
    schedulerScanIntervalMs: from.readOpen(fields.schedulerScanIntervalMs),
    retryScanLimit: from.readOpen(fields.retryScanLimit),
    schedulerScanLimit: from.readOpen(fields.schedulerScanLimit),
    idempotencyTtlSeconds: from.read(fields.idempotencyTtlSeconds),
    notificationTtlMs: from.read(fields.notificationTtlMs),
    schema: from.read(fields.schema),
    migrationsTable: from.read(fields.migrationsTable),
    poolMax: from.read(fields.poolMax),
    migrateOnStart: from.read(fields.migrateOnStart),
    failpoints: from.readOpen(fields.failpoints),
    failpointSeed: from.readOpen(fields.failpointSeed),
  }
}

export type Readings = ReturnType<typeof readAll>
