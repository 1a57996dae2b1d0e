import { createHash } from 'node:crypto'
import type { Random } from '../../internal/testkit/random.ts'
import { viaTag } from './providers/plan.ts'

export interface Item {
  readonly channel: string
  readonly recipient: string
  readonly content: string
  readonly priority: string
  readonly idempotencyKey: string
  readonly scheduledAt?: string
  readonly maxRetries?: number
  readonly tags?: readonly string[]
}

/** What targets do to a share of the notifications; the rest is taken at once. */
export interface Misbehaviour {
  readonly share: number
  /** One of these is drawn. The n-th delivery of a notification gets the n-th answer, the last one repeats. */
  readonly scripts: readonly string[]
}

/** Some of everything that a target may do. */
export const everyday: Misbehaviour = {
  share: 0.2,
  scripts: [
    '503 200',
    '500 500 200',
    '429:1 200',
    '503:1 200',
    '400',
    'redirect',
    'reset 200',
    'drop 200',
    'slow:150',
    'slow:400',
    'drip:8:20',
    'huge:300000',
    'messageid-header',
    'hang 200',
  ],
}

export const channels = ['SMS', 'EMAIL', 'PUSH', 'WEBHOOK', 'CHAT', 'INCIDENT'] as const
export type ChannelName = (typeof channels)[number]
const priorities = ['HIGH', 'NORMAL', 'LOW']
const scheduledShare = 0.05
const scheduledMsMax = 3_000

/** @param viaShare of the notifications that go over connections. */
export function makeItem(random: Random, key: string, { share, scripts }: Misbehaviour, viaShare: number): Item {
  const script = random.chance(share) ? ` [sink ${random.pick(scripts)}]` : ''
  const channel = random.pick(channels)
  return {
    channel,
    priority: random.pick(priorities),
    recipient: recipientFor(channel, key),
    content: `Chaos ${key}${script}`,
    idempotencyKey: key,
    ...(random.chance(viaShare) && { tags: [viaTag] }),
    ...(random.chance(scheduledShare) && {
      scheduledAt: new Date(Date.now() + random.between(200, scheduledMsMax)).toISOString(),
    }),
  }
}

/** One for each notification, of the kind that its channel takes. */
export function recipientFor(channel: ChannelName, key: string): string {
  if (channel === 'SMS') return `+4915${phoneDigits(key)}`
  return channel === 'EMAIL' ? `to-${key}@example.com` : `to-${key}`
}

function phoneDigits(key: string): string {
  const number = createHash('sha256').update(key).digest().readBigUInt64BE() % 1_000_000_000n
  return String(number).padStart(9, '0')
}

export function hashOf(item: Item): string {
  return createHash('sha256').update(JSON.stringify(item)).digest('hex').slice(0, 16)
}
