import type { NotificationId } from '../../domain/notification.ts'
import type { SendResult } from '../../domain/outcome.ts'
import type { Claimed } from '../../port/notification-store.ts'
import { type Provider, providerKey } from '../../port/provider.ts'
import type { Random } from '../random.ts'
import type { SimProcess } from './sim-process.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** One send: what the target did with it, and what the worker was told. */
export interface Send {
  readonly id: NotificationId
  readonly key: string
  readonly generation: number
  /** Names the claim. */
  readonly leaseToken: number
  readonly process: SimProcess
  readonly beganMs: number
  acceptedMs: number | null
  heard: SendResult['kind'] | null
}

const text = { statusCode: null, responseExcerpt: null, code: 'simulated', message: 'simulated' }
const unknown: SendResult = { kind: 'unknown', ...text }
const usualMs = 200
const slowMs = 9_000
/** Beyond the worker's patience. */
const unheardMs = 15_000

/** The far end, and the ground truth: what it accepted has arrived. */
export class SimTarget {
  readonly sends: Send[] = []
  readonly #time: VirtualClock
  readonly #random: Random
  /** Share of sends that end otherwise than with a yes. */
  refusalShare = 0
  /** Share of sends that take long, though not too long. */
  slowShare = 0
  /** Share of sends whose answer is lost or late. */
  unheardShare = 0

  constructor(time: VirtualClock, random: Random) {
    this.#time = time
    this.#random = random
  }

  seenBy(process: SimProcess): Provider {
    return { name: 'simulated', send: (message, signal) => this.#send(process, message, signal) }
  }

  #send(process: SimProcess, message: Claimed, signal: AbortSignal): Promise<SendResult> {
    const { id, generation, leaseToken } = message
    const beganMs = this.#time.nowMs
    const key = providerKey(message)
    const send: Send = { id, key, generation, leaseToken, process, beganMs, acceptedMs: null, heard: null }
    this.sends.push(send)
    return process.call<SendResult>((answer) => {
      const hear = (afterMs: number, result: SendResult) =>
        answer(afterMs, () => {
          send.heard ??= result.kind
          return result
        })
      signal.addEventListener('abort', () => hear(0, unknown), { once: true })
      const isUnheard = this.#random.chance(this.unheardShare)
      // Some requests reach the target long after their sender has given them up.
      const reachesInMs = this.#random.between(0, isUnheard ? unheardMs : usualMs)
      if (isUnheard && this.#random.chance(0.3)) return
      this.#time.after(reachesInMs, () => {
        const result = this.#answer()
        if (result.kind === 'accepted') send.acceptedMs = this.#time.nowMs
        const answersInMs = this.#random.between(0, this.#random.chance(this.slowShare) ? slowMs : usualMs)
        if (!isUnheard || this.#random.chance(0.5)) hear(answersInMs, result)
      })
    })
  }

  #answer(): SendResult {
    if (!this.#random.chance(this.refusalShare)) {
      return { kind: 'accepted', providerMessageId: null, statusCode: 200, responseExcerpt: null }
    }
    const retryAfterMs = this.#random.chance(0.5) ? this.#random.between(0, 20_000) : null
    const kind = this.#random.pick(['transient', 'transient', 'transient', 'rate_limited', 'permanent'] as const)
    return kind === 'permanent' ? { kind, ...text } : { kind, retryAfterMs, ...text }
  }
}
