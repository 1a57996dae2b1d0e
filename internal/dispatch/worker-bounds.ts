import type { Channel } from '../domain/notification.ts'
import type { Bound, Telemetry } from '../port/telemetry.ts'
import { unsettledMax } from './send-slots.ts'

const boundsOf = {
  SMS: { ready: 'ready_sms', unsettled: 'unsettled_sms' },
  EMAIL: { ready: 'ready_email', unsettled: 'unsettled_email' },
  PUSH: { ready: 'ready_push', unsettled: 'unsettled_push' },
  WEBHOOK: { ready: 'ready_webhook', unsettled: 'unsettled_webhook' },
  CHAT: { ready: 'ready_chat', unsettled: 'unsettled_chat' },
  INCIDENT: { ready: 'ready_incident', unsettled: 'unsettled_incident' },
} as const satisfies Record<Channel, Readonly<Record<'ready' | 'unsettled', Bound>>>

/** Tells what a channel's worker holds: references that wait, and notifications claimed and not settled. */
export function showBounds(
  telemetry: Pick<Telemetry, 'bound'>,
  channel: Channel,
  ready: { readonly inUse: number; readonly limit: number },
  unsettled: number,
): void {
  telemetry.bound(boundsOf[channel].ready, ready)
  telemetry.bound(boundsOf[channel].unsettled, { inUse: unsettled, limit: unsettledMax })
}
