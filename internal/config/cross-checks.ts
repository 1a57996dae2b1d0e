import { formatDurationMs } from './duration.ts'
import type { Reading } from './reader.ts'
import type { Readings } from './readings.ts'
import { expandRoles, roles } from './roles.ts'
import type { Targets } from './targets.ts'

/** A claim must outlive its attempt by the claim's round trip, the settle and its repeats. */
export const leaseMarginMs = 20_000
/** A stop must outlive the attempts in hand by what closing the connections takes. */
export const shutdownMarginMs = 10_000
export const leaseMsDefault = 60_000

interface CrossCheck {
  /** For the documentation. */
  readonly rule: string
  /** The settings it compares; with one of them broken it is not asked. */
  readonly about: (r: Readings) => readonly Reading<unknown>[]
  readonly isMet: (r: Readings, targets: Targets) => boolean
  /** What to do about it, with numbers. */
  readonly advice: (r: Readings, targets: Targets) => string
}

/** Settings that must fit each other; a start with any of these broken is refused. */
export const crossChecks: readonly CrossCheck[] = [
  {
    rule: `\`LEASE_SECONDS\` is at least \`JOB_TIMEOUT\` + ${formatDurationMs(leaseMarginMs)}, else another worker could claim what is still being sent.`,
    about: (r) => [r.leaseSeconds, r.jobTimeoutMs],
    isMet: (r) => r.leaseSeconds.value === null || r.leaseSeconds.value * 1_000 >= r.jobTimeoutMs.value + leaseMarginMs,
    advice: (r) => `the lease must be at least ${Math.ceil((r.jobTimeoutMs.value + leaseMarginMs) / 1_000)} seconds`,
  },
  {
    rule: '`JOB_TIMEOUT` is less than half of `BROKER_CONSUMER_TIMEOUT`, else RabbitMQ takes messages back in the middle of a send.',
    about: (r) => [r.jobTimeoutMs, r.brokerConsumerTimeoutMs],
    isMet: (r) => r.jobTimeoutMs.value * 2 < r.brokerConsumerTimeoutMs.value,
    advice: (r) =>
      `the job timeout must be less than half of the consumer timeout, ${formatDurationMs(r.brokerConsumerTimeoutMs.value / 2)}`,
  },
  {
    rule: `\`SHUTDOWN_TIMEOUT\` is at least \`JOB_TIMEOUT\` + ${formatDurationMs(shutdownMarginMs)}, else a stop cuts off attempts in hand.`,
    about: (r) => [r.shutdownTimeoutMs, r.jobTimeoutMs],
    isMet: (r) => r.shutdownTimeoutMs.value >= r.jobTimeoutMs.value + shutdownMarginMs,
    advice: (r) => `the shutdown timeout must be at least ${formatDurationMs(r.jobTimeoutMs.value + shutdownMarginMs)}`,
  },
  {
    rule: '`RETRY_BASE_DELAY_MS` is not larger than `RETRY_MAX_DELAY_MS`.',
    about: (r) => [r.retryBaseDelayMs, r.retryMaxDelayMs],
    isMet: (r) => r.retryBaseDelayMs.value <= r.retryMaxDelayMs.value,
    advice: () => 'the first pause must not be larger than the largest',
  },
  {
    rule: 'Built-in parts (`EMBEDDED=1`, `embedded:`, `memory:`) need `APP_ROLE=all`: no other process could reach them.',
    about: (r) => [r.role],
    isMet: (r, targets) => targets.builtIn.length === 0 || expandRoles(r.role.value).length === roles.length,
    advice: (_, targets) => `${targets.builtIn.join(', ')} needs APP_ROLE=all`,
  },
  {
    rule: '`ENCRYPTION_KEY_PREVIOUS` is only set beside `ENCRYPTION_KEY`, and is another key.',
    about: (r) => [r.encryptionKeyPrevious, r.encryptionKey],
    isMet: (r) => isRotation(r.encryptionKey.value, r.encryptionKeyPrevious.value),
    advice: () => 'the previous key stands beside a new one',
  },
  {
    rule: '`FAILPOINTS` is not set where `NODE_ENV=production`: it breaks the process on purpose.',
    about: (r) => [r.failpoints, r.nodeEnv],
    isMet: (r) => (r.failpoints.value ?? []).length === 0 || r.nodeEnv.value !== 'production',
    advice: () => 'failpoints are for tests, never for production',
  },
]

function isRotation(current: Uint8Array | null, previous: Uint8Array | null): boolean {
  if (previous === null) return true
  return current !== null && Buffer.compare(current, previous) !== 0
}

export function checkTogether(r: Readings, targets: Targets): readonly string[] {
  return crossChecks
    .filter((check) => !check.about(r).some((one) => one.broken) && !check.isMet(r, targets))
    .map((check) => {
      const found = check.about(r).map((one) => one.shown)
      return `${found.join(' with ')}: ${check.advice(r, targets)}`
    })
}

/** What is allowed, but rarely meant. */
export function warnTogether(r: Readings, targets: Targets): readonly string[] {
  const production = r.nodeEnv.value === 'production'
  const warnings: string[] = []
  if (production && r.apiKey.value === null) {
    warnings.push('MANAGEMENT_API_KEY is not set: whoever reaches the API may send and read notifications')
  }
  if (r.webhookUrl.value === null && (production || targets.database?.kind === 'external')) {
    warnings.push('WEBHOOK_SITE_URL is not set: notifications go to the built-in sink and reach nobody')
  }
  if (r.dataDir.given && targets.database?.kind !== 'embedded') {
    warnings.push(`${r.dataDir.shown} is not used: it is for the built-in PostgreSQL only`)
  }
  return warnings
}
