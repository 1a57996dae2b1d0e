import type { Channel } from '../domain/notification.ts'

/** `send` paces providers, `release` paces the scan: separate buckets, so that neither starves the other. */
export type PermitPurpose = 'send' | 'release'

export interface Permits {
  /** 0 … wanted. */
  readonly granted: number
  /** Milliseconds until at least one more can be had; 0 when all were granted. */
  readonly retryAfterMs: number
  /** The shared counter could not be reached; `granted` is 0 unless the limit is off. */
  readonly degraded: boolean
}

export interface RateLimiter {
  /**
   * Takes up to `wanted` (>= 1) permits for `channel` out of the limit that all replicas share. In every window of T
   * seconds, grants <= rate × T + burst. Answers within 200 ms even when the shared counter cannot be reached.
   * Never rejects.
   */
  take(purpose: PermitPurpose, channel: Channel, wanted: number): Promise<Permits>
}

export interface Limit {
  /** Permits per second; 0 = off. */
  readonly perSecond: number
  /** Permits that may be granted at once, >= 1. */
  readonly burst: number
}

export type Limits = Readonly<Record<PermitPurpose, Readonly<Record<Channel, Limit>>>>
