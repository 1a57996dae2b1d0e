import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { Random } from '../../internal/testkit/random.ts'
import { Journal } from './journal.ts'
import { everyday, hashOf, type Item, type Misbehaviour, makeItem } from './load-items.ts'
import { type PostAnswer, Poster } from './post.ts'

/** A promise of the engine: it answered 202 with this id. Written down before the next request of that lane. */
export interface Promised {
  readonly id: string
  readonly key: string
  readonly hash: string
  readonly at: number
}

export interface Pace {
  /** Requests under way at once. */
  readonly lanes: number
  /** Notifications per second over all lanes; 0 = as many as go. */
  readonly perSecond: number
}

export interface LoadOptions {
  /** For what was promised. */
  readonly file: string
  /** Of the engines that run now. */
  readonly urls: () => readonly string[]
  readonly random: Random
  /** Of the notifications that go over connections. */
  readonly viaShare: number
  readonly onWrong: (text: string) => void
}

export interface LoadCounts {
  /** Different notifications answered with 202. */
  accepted: number
  /** Requests that were told to come back: 429 and 503. */
  refused: number
  /** Requests without an answer, by reason. */
  unanswered: Record<string, number>
}

const accepted = z.object({ id: z.string(), duplicate: z.boolean().optional() })
const acceptedBatch = z.object({ notifications: z.array(accepted) })
const batchShare = 0.08
const batchMax = 20
const repeatShare = 0.02
const conflictShare = 0.01
const answerWithinMs = 10_000

/**
 * A client that never lets go: every notification has a key, and is sent again under it until it is answered 202. What
 * was answered is in the journal; what the answers must not be (two ids for one key, a 500, a 202 for another body) is
 * told at once.
 */
export class Load {
  readonly promised: Journal<Promised>
  readonly counts: LoadCounts = { accepted: 0, refused: 0, unanswered: {} }
  readonly #urls: () => readonly string[]
  readonly #random: Random
  readonly #prefix: string
  readonly #viaShare: number
  readonly #onWrong: (text: string) => void
  readonly #ids = new Map<string, string>()
  readonly #poster = new Poster(answerWithinMs)
  #misbehaviour: Misbehaviour = everyday
  #pace: Pace = { lanes: 6, perSecond: 300 }
  #nextAtMs = 0
  #made = 0
  #generation = 0
  #running: Promise<unknown> = Promise.resolve()

  constructor({ file, urls, random, viaShare, onWrong }: LoadOptions) {
    this.promised = new Journal(file)
    this.#urls = urls
    this.#random = random
    this.#prefix = `k${random.between(0, 0xffff).toString(16)}`
    this.#viaShare = viaShare
    this.#onWrong = onWrong
  }

  start(pace: Pace = this.#pace): void {
    this.#pace = pace
    const generation = ++this.#generation
    this.#nextAtMs = performance.now()
    const lanes = Array.from({ length: pace.lanes }, () => this.#lane(generation))
    this.#running = Promise.all([this.#running, ...lanes])
  }

  /** What is under way is answered or given up; given up only when no engine answers any more. */
  async stop(): Promise<void> {
    this.#generation += 1
    await this.#running
  }

  get pace(): Pace {
    return this.#pace
  }

  /** Ends connections kept for more; {@link stop} comes first. */
  rest(): void {
    this.#poster.close()
  }

  behave(misbehaviour: Misbehaviour = everyday): void {
    this.#misbehaviour = misbehaviour
  }

  /** Sends these until they are accepted. */
  async send(items: readonly Item[]): Promise<void> {
    await this.#untilAccepted(items, () => true)
  }

  /** A new item with a key of its own. */
  make(misbehaviour: Misbehaviour = this.#misbehaviour): Item {
    return makeItem(this.#random, `${this.#prefix}-${++this.#made}`, misbehaviour, this.#viaShare)
  }

  /** The same, due at once and with a target that takes it. */
  makeDue(): Item {
    const { scheduledAt: _, ...item } = this.make({ share: 0, scripts: ['200'] })
    return item
  }

  close(): void {
    this.#poster.close()
    this.promised.close()
  }

  async #lane(generation: number): Promise<void> {
    const isOn = () => this.#generation === generation
    while (isOn()) {
      const count = this.#random.chance(batchShare) ? this.#random.between(2, batchMax) : 1
      await this.#turn(count)
      if (!isOn()) return
      const items = Array.from({ length: count }, () => this.make())
      await this.#untilAccepted(items, isOn)
      const [item] = items
      if (count > 1 || item === undefined || !isOn()) continue
      if (this.#random.chance(repeatShare)) await this.#untilAccepted([item], isOn)
      if (this.#random.chance(conflictShare)) await this.#offerAnotherBody(item)
    }
  }

  async #turn(count: number): Promise<void> {
    const { perSecond } = this.#pace
    if (perSecond === 0) return
    const nowMs = performance.now()
    const atMs = Math.max(this.#nextAtMs, nowMs - 250) // what an outage kept back is not made up for
    this.#nextAtMs = atMs + (count * 1_000) / perSecond
    if (atMs > nowMs) await delay(atMs - nowMs)
  }

  async #untilAccepted(items: readonly Item[], isOn: () => boolean): Promise<void> {
    for (let tries = 0; ; tries++) {
      if (tries > 0 && !isOn()) return
      const answer = await this.#offer(items)
      if (answer === null) {
        await delay(20) // no engine runs
        continue
      }
      if (answer.status === 202) return this.#note(items, answer)
      if (answer.status === 429 || answer.status === 503) this.counts.refused += 1
      else if (answer.status !== null) {
        this.#onWrong(`a valid request was answered ${answer.status}: ${answer.body.slice(0, 300)}`)
        return
      } else {
        const reason = answer.problem ?? 'unknown'
        this.counts.unanswered[reason] = (this.counts.unanswered[reason] ?? 0) + 1
      }
      await delay(Math.min(50 * 2 ** Math.min(tries, 4), 500))
    }
  }

  async #offer(items: readonly Item[]): Promise<PostAnswer | null> {
    const urls = this.#urls()
    if (urls.length === 0) return null
    const url = this.#random.pick(urls)
    const [item] = items
    return items.length === 1
      ? this.#poster.post(`${url}/v1/notifications`, item)
      : this.#poster.post(`${url}/v1/notifications/batch`, { notifications: items })
  }

  #note(items: readonly Item[], { body }: PostAnswer): void {
    const parsed: unknown = JSON.parse(body)
    const answers = items.length === 1 ? [accepted.parse(parsed)] : acceptedBatch.parse(parsed).notifications
    if (answers.length !== items.length) this.#onWrong(`${items.length} items, ${answers.length} answers`)
    for (const [index, item] of items.entries()) {
      const id = answers[index]?.id
      if (id === undefined) continue
      const known = this.#ids.get(item.idempotencyKey)
      if (known === undefined) {
        this.#ids.set(item.idempotencyKey, id)
        this.promised.add({ id, key: item.idempotencyKey, hash: hashOf(item), at: Date.now() })
        this.counts.accepted += 1
      } else if (known !== id) this.#onWrong(`key ${item.idempotencyKey} stands for ${known} and for ${id}`)
    }
  }

  async #offerAnotherBody(item: Item): Promise<void> {
    const answer = await this.#offer([{ ...item, content: `${item.content} changed` }])
    if (answer?.status === 202) this.#onWrong(`key ${item.idempotencyKey} was accepted with another body`)
  }
}
