import { DependencyUnavailableError } from '../../domain/errors.ts'
import type { ModelStore } from '../model-store.ts'
import type { Random } from '../random.ts'
import type { SimProcess } from './sim-process.ts'
import type { Bugs } from './steps.ts'
import type { VirtualClock } from './virtual-clock.ts'

type Verbs = Omit<ModelStore, 'rows' | 'history' | 'unfinished' | 'add'>

/** PostgreSQL ends a statement after this time. */
const statementTimeoutMs = 5_000
const usualMs = 20

/** The way to the one database: latency, and statements that are refused, lose their answer or take effect late. */
export class SimDatabase {
  readonly #store: ModelStore
  readonly #time: VirtualClock
  readonly #random: Random
  #awayUntilMs = 0
  /** Share of statements that meet a fault. */
  faultShare = 0
  readonly #bugs: Bugs

  constructor(store: ModelStore, time: VirtualClock, random: Random, bugs: Bugs) {
    this.#bugs = bugs
    this.#store = store
    this.#time = time
    this.#random = random
  }

  goAway(ms: number): void {
    this.#awayUntilMs = this.#time.nowMs + ms
  }

  comeBack(): void {
    this.#awayUntilMs = 0
  }

  /** The store as one process sees it. */
  seenBy(process: SimProcess): Verbs {
    const store = this.#store
    const run = <T>(effect: () => Promise<T>) => this.#run(process, effect)
    return {
      accept: (requests, headStart) => run(() => store.accept(requests, headStart)),
      claim: (refs, lease) => run(() => store.claim(refs, lease)),
      settle: (settlements) => run(() => store.settle(settlements)),
      lateSuccess: (settlements) => run(() => store.lateSuccess(settlements)),
      countDue: (lanes, limit) => run(() => store.countDue(lanes, limit)),
      releaseDue: (counts) => run(() => store.releaseDue(counts)),
      expireDue: (lanes, limit) => run(() => store.expireDue(lanes, limit)),
      sweepOrphans: (limit, backoffMs) => run(() => store.sweepOrphans(limit, backoffMs)),
      nextDueInMs: (lanes) => run(() => store.nextDueInMs(lanes)),
      defer: (refs) => run(() => store.defer(refs)),
      release: (claims) => run(() => store.release(claims)),
      cancel: (tenant, id) => run(() => store.cancel(tenant, id)),
      replay: (request) => run(() => store.replay(request)),
      lookUpById: (tenant, id) => run(() => store.lookUpById(tenant, id)),
      findByIds: (tenant, ids) => run(() => store.findByIds(tenant, ids)),
    }
  }

  /** A statement that was sent takes effect even when the process that sent it has died meanwhile. */
  #run<T>(process: SimProcess, effect: () => Promise<T>): Promise<T> {
    const random = this.#random
    const unavailable = () => {
      if (this.#bugs.has('outage_looks_final')) throw new Error('simulated')
      throw new DependencyUnavailableError('postgres', 'simulated')
    }
    return process.call<T>((answer) => {
      if (this.#awayUntilMs > this.#time.nowMs) {
        process.note('database')
        return answer(random.between(0, usualMs), unavailable)
      }
      if (!random.chance(this.faultShare)) {
        return this.#time.after(random.between(0, usualMs), () => {
          void effect().then(
            (value) => answer(random.between(0, usualMs), () => value),
            (error: unknown) =>
              answer(0, () => {
                throw error
              }),
          )
        })
      }
      process.note('database')
      answer(random.between(0, statementTimeoutMs), unavailable)
      if (random.chance(0.7))
        this.#time.after(random.between(0, statementTimeoutMs), () => void effect().catch(() => undefined))
    })
  }
}
