import { channels, maxRetriesMax } from '../domain/notification.ts'
import { openSetting, setting } from './field.ts'
import { boolean, duration, integer } from './parsers.ts'

const rate = integer(0, 1_000_000)

const sending = {
  concurrency: setting({
    env: 'WORKER_CONCURRENCY',
    aliases: ['CONCURRENCY'],
    group: 'Sending',
    parse: integer(1, 1_000),
    default: '16',
    help: 'Sends under way at once in this process, for each channel on its own.',
  }),
  jobTimeoutMs: setting({
    env: 'JOB_TIMEOUT',
    group: 'Sending',
    parse: duration('100ms', '15m'),
    default: '10s',
    help: 'The whole time of one attempt, from connecting to the last byte of the answer.',
  }),
  leaseSeconds: openSetting({
    env: 'LEASE_SECONDS',
    aliases: ['PROCESSING_LOCK_TTL_SECONDS'],
    group: 'Sending',
    parse: integer(1, 86_400),
    otherwise: 'the larger of 60 and JOB_TIMEOUT + 20',
    example: '60',
    help: 'Seconds for which a worker owns a notification it has claimed. When a worker vanishes, others wait this long before they try again.',
  }),
  shortcut: setting({
    env: 'WORKER_SHORTCUT',
    group: 'Sending',
    parse: boolean,
    default: 'true',
    help: 'What a process accepted and can send soon is not published: without a limit on its channel it is stored as claimed. When false, everything goes through RabbitMQ.',
  }),
  brokerConsumerTimeoutMs: setting({
    env: 'BROKER_CONSUMER_TIMEOUT',
    group: 'Sending',
    parse: duration('1s', '30d'),
    default: '30m',
    help: 'consumer_timeout of the RabbitMQ server. Change it only together with the server.',
  }),
}

const limits = {
  ratePerSecond: setting({
    env: 'RATE_LIMIT_PER_SEC',
    group: 'Rate limits',
    parse: rate,
    default: '100',
    help: 'Sends per second of each channel, over all replicas together. 0 = no limit.',
  }),
  rateBurst: openSetting({
    env: 'RATE_LIMIT_BURST',
    group: 'Rate limits',
    parse: integer(1, 1_000_000),
    otherwise: "a tenth of the channel's rate, at least 1",
    example: '10',
    help: 'Sends that may go out at once after a pause. In any T seconds at most rate × T + burst are sent.',
  }),
}

/** RATE_LIMIT_SMS_PER_SEC and its like, one for each channel. */
export const channelRates = channels.map((channel) => ({
  channel,
  field: openSetting({
    env: `RATE_LIMIT_${channel}_PER_SEC`,
    group: 'Rate limits',
    parse: rate,
    otherwise: 'RATE_LIMIT_PER_SEC',
    example: '100',
    help: `Sends per second of the channel ${channel}. 0 = no limit.`,
  }),
}))

const scanInterval = duration('50ms', '10m')
const scanLimit = integer(1, 10_000)
const onePartner = 'the other of the two when only that is set'

const retries = {
  maxRetries: setting({
    env: 'MAX_RETRIES',
    aliases: ['MAX_PROCESSING_RETRIES'],
    group: 'Retries and scan',
    parse: integer(1, maxRetriesMax),
    default: '5',
    help: 'Attempts, the first one included, before a notification ends as FAILED. A request may carry its own.',
  }),
  retryBaseDelayMs: setting({
    env: 'RETRY_BASE_DELAY_MS',
    group: 'Retries and scan',
    parse: duration('1ms', '1h'),
    default: '1000',
    help: 'Pause after the first failed attempt; it doubles with every further one.',
  }),
  retryMaxDelayMs: setting({
    env: 'RETRY_MAX_DELAY_MS',
    group: 'Retries and scan',
    parse: duration('1ms', '24h'),
    default: '60000',
    help: 'The longest pause between two attempts. Up to 250 ms of jitter are added.',
  }),
  retryScanIntervalMs: openSetting({
    env: 'RETRY_SCAN_INTERVAL',
    group: 'Retries and scan',
    parse: scanInterval,
    otherwise: `5s, or ${onePartner}`,
    example: '5s',
    help: 'The longest pause between two looks for due work. One scan serves retries and schedules: the smaller interval of the two holds.',
  }),
  schedulerScanIntervalMs: openSetting({
    env: 'SCHEDULER_SCAN_INTERVAL',
    group: 'Retries and scan',
    parse: scanInterval,
    otherwise: `5s, or ${onePartner}`,
    example: '5s',
    help: 'See RETRY_SCAN_INTERVAL.',
  }),
  retryScanLimit: openSetting({
    env: 'RETRY_SCAN_LIMIT',
    group: 'Retries and scan',
    parse: scanLimit,
    otherwise: `100, or ${onePartner}`,
    example: '100',
    help: 'Rows that one pass releases for each channel and priority; a full pass is followed by the next at once. The larger limit of the two holds.',
  }),
  schedulerScanLimit: openSetting({
    env: 'SCHEDULER_SCAN_LIMIT',
    group: 'Retries and scan',
    parse: scanLimit,
    otherwise: `100, or ${onePartner}`,
    example: '100',
    help: 'See RETRY_SCAN_LIMIT.',
  }),
}

const keeping = {
  idempotencyTtlSeconds: setting({
    env: 'IDEMPOTENCY_TTL_SECONDS',
    group: 'Keeping',
    parse: integer(0, 315_360_000),
    default: '86400',
    help: 'Seconds for which an idempotency key is remembered. 0 = for ever.',
  }),
  notificationTtlMs: setting({
    env: 'NOTIFICATION_TTL',
    group: 'Keeping',
    parse: duration('1s', '365d'),
    default: '24h',
    help: 'How long after its due time a notification without expiresAt is still tried; then it ends as FAILED (expired).',
  }),
}

/** How notifications are sent, paced, retried and kept. */
export const dispatchFields = { ...sending, ...limits, ...retries, ...keeping }
