import { channels } from '../domain/notification.ts'
import type { ChannelLimit, Config } from './config.ts'
import { formatDurationMs } from './duration.ts'
import { maskUrl } from './mask.ts'

/** What runs and where it points, for the log at start: flat, short, and without secrets. */
export function describeConfig(config: Config): Readonly<Record<string, string>> {
  const { database, broker, redis, http, scan, retry, worker } = config
  const embedded = `embedded (schema ${database.schema})`
  return {
    roles: config.roles.join(','),
    listen: `${http.host}:${http.port}`,
    database: database.kind === 'embedded' ? embedded : `${maskUrl(database.url, 'url')} (schema ${database.schema})`,
    broker: broker.kind === 'memory' ? 'memory' : maskUrl(broker.url, 'url'),
    redis: redis.kind === 'memory' ? 'memory' : maskUrl(redis.url, 'url'),
    provider: config.webhookUrl === null ? 'built-in sink' : maskUrl(config.webhookUrl, 'origin'),
    connections: describeConnections(config.connections),
    egress: describeEgress(config.egress),
    access: http.apiKey === null ? 'open' : 'by key',
    cors: http.corsOrigins.length === 0 ? 'closed' : http.corsOrigins.join(','),
    rates: channels.map((channel) => `${channel} ${describeLimit(config.limits.send[channel])}`).join(', '),
    concurrency: `${worker.concurrencyPerChannel} per channel`,
    attempt: `${formatDurationMs(worker.jobTimeoutMs)}, lease ${formatDurationMs(config.leaseMs)}`,
    retries: `${retry.maxRetries} attempts, ${formatDurationMs(retry.baseDelayMs)} to ${formatDurationMs(retry.maxDelayMs)}`,
    scan: `every ${formatDurationMs(scan.intervalMs)}, ${scan.limit} per lane`,
    keep: `notifications ${formatDurationMs(config.notificationTtlMs)}, keys ${describeKeyTtl(config.idempotencyTtlSeconds)}`,
    stop: formatDurationMs(config.shutdownTimeoutMs),
  }
}

function describeConnections({ encryptionKey, connectorsDir, connectionsFile }: Config['connections']): string {
  const parts = [encryptionKey === null ? 'no key for secrets' : 'secrets sealed']
  if (connectorsDir !== null) parts.push(`own connectors ${connectorsDir}`)
  if (connectionsFile !== null) parts.push(`file ${connectionsFile}`)
  return parts.join(', ')
}

function describeEgress({ allowNets, plainHttp, proxyUrl }: Config['egress']): string {
  const where = ['public addresses', ...allowNets].join(', ')
  const how = plainHttp ? ' also over http:' : ''
  return `${where}${how}${proxyUrl === null ? '' : ` through ${maskUrl(proxyUrl, 'url')}`}`
}

function describeLimit({ perSecond, burst }: ChannelLimit): string {
  return perSecond === 0 ? 'unlimited' : `${perSecond}/s burst ${burst}`
}

function describeKeyTtl(seconds: number): string {
  return seconds === 0 ? 'for ever' : formatDurationMs(seconds * 1_000)
}
