import { lookAgainMs } from '../../domain/protocol.ts'
import type { Broker, ConsumeOptions, Consumption, Delivery, Envelope } from '../../port/broker.ts'
import type { Random } from '../random.ts'
import type { SimProcess } from './sim-process.ts'
import type { VirtualClock } from './virtual-clock.ts'

interface Consumer extends ConsumeOptions {
  readonly process: SimProcess
  readonly inHand: Map<Copy, number>
}

interface Copy {
  readonly envelope: Envelope
  readonly publishedMs: number
}

const usualMs = 30

/** A broker that loses, repeats and reorders what it likes. */
export class SimBroker {
  readonly #time: VirtualClock
  readonly #random: Random
  #consumers: Consumer[] = []
  #awayUntilMs = 0
  /** Shares of envelopes lost and repeated. */
  lossShare = 0
  repeatShare = 0

  constructor(time: VirtualClock, random: Random) {
    this.#time = time
    this.#random = random
  }

  goAway(ms: number): void {
    this.#awayUntilMs = this.#time.nowMs + ms
  }

  comeBack(): void {
    this.#awayUntilMs = 0
  }

  seenBy(process: SimProcess): Broker {
    return {
      publish: (envelope) =>
        process.call((answer) => {
          const isAway = this.#awayUntilMs > this.#time.nowMs
          const isLost = this.#random.chance(this.lossShare)
          if (!isAway && !isLost) this.#put(envelope)
          if (!isAway && this.#random.chance(this.repeatShare)) this.#put(envelope)
          // A confirm may be lost as well as its message.
          const isConfirmed = !isAway && !this.#random.chance(this.lossShare)
          answer(this.#random.between(0, usualMs), () => (isConfirmed ? 'confirmed' : 'unconfirmed'))
        }),
      consume: (options) => this.#consume(process, options),
    }
  }

  /** What a dead process had in hand goes to the others. */
  lose(process: SimProcess): void {
    for (const consumer of this.#consumers.filter((one) => one.process === process)) {
      for (const copy of consumer.inHand.keys()) this.#deliverLater(copy)
    }
    this.#consumers = this.#consumers.filter((one) => one.process !== process)
  }

  #consume(process: SimProcess, options: ConsumeOptions): Consumption {
    const consumer: Consumer = { ...options, process, inHand: new Map() }
    this.#consumers.push(consumer)
    return {
      stop: () =>
        process.call((answer) => {
          this.#consumers = this.#consumers.filter((one) => one !== consumer)
          answer(this.#random.between(0, usualMs), () => undefined)
        }),
    }
  }

  #put(envelope: Envelope): void {
    this.#deliverLater({ envelope, publishedMs: this.#time.nowMs })
  }

  #deliverLater(copy: Copy): void {
    // Mostly soon; now and then after many others.
    const waitMs = this.#random.chance(0.1) ? this.#random.between(0, 10_000) : this.#random.between(0, usualMs)
    this.#time.after(waitMs, () => this.#deliver(copy))
  }

  #deliver(copy: Copy): void {
    const { nowMs } = this.#time
    if (nowMs - copy.publishedMs >= lookAgainMs) return
    const free = this.#consumers.filter((one) => one.inHand.size < one.prefetch)
    const consumer = free[this.#random.between(0, free.length - 1)]
    if (consumer === undefined || this.#awayUntilMs > nowMs) {
      this.#time.after(500, () => this.#deliver(copy))
      return
    }
    consumer.inHand.set(copy, nowMs)
    const done = (again: boolean) => {
      if (!consumer.process.isAlive || !consumer.inHand.delete(copy) || !again) return
      this.#deliverLater(copy)
    }
    const delivery: Delivery = { ...copy.envelope, ack: () => done(false), requeue: () => done(true) }
    consumer.process.hop(0, () => consumer.onDelivery(delivery))
  }
}
