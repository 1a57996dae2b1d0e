import type { Bench, Figures } from '../scenarios/scenario.ts'
import { scaled } from '../scenarios/scenario.ts'
import { percentile } from '../stats.ts'
import { sharedNowMs } from '../time.ts'
import type { BenchStore } from './bench-store.ts'
import { openRound, type Round, type Timed } from './round.ts'

/** Rounds in a row on one store; then comes the other. */
const roundsFull = 20
const burstsFull = 10

/** Values by the name of their figure. */
class Samples {
  readonly #values = new Map<string, number[]>()

  add(name: string, value: number): void {
    const known = this.#values.get(name)
    if (known === undefined) this.#values.set(name, [value])
    else known.push(value)
  }

  /** The middle one of each. */
  medians(): Figures {
    return Object.fromEntries(
      [...this.#values].map(([name, values]) => [
        name,
        percentile(
          values.toSorted((a, b) => a - b),
          50,
        ),
      ]),
    )
  }
}

const scanSteps = ['countDue', 'releaseDue', 'nextDue', 'expireDue', 'sweepOrphans']
const isScan = (step: string) => scanSteps.includes(step)

/**
 * What each statement costs on each of the stores, in turns A B B A, so that what the machine does meanwhile hits all
 * alike. After each burst of rounds the store is vacuumed, as its autovacuum would sooner or later.
 * @param also timed once a round besides.
 */
export async function compareStatements(
  bench: Bench,
  stores: readonly BenchStore[],
  also: (store: BenchStore, timed: Timed) => Promise<void> = async () => undefined,
): Promise<Readonly<Record<string, Figures>>> {
  const subjects = await Promise.all(
    stores.map(async (store) => ({ store, round: await openRound(store), samples: new Samples() })),
  )
  const before = await Promise.all(stores.map((store) => store.sizes()))
  const bursts = scaled(bench, burstsFull, 2)
  for (let burst = 0; burst <= bursts; burst++) {
    for (const { store, round, samples } of burst % 2 === 0 ? subjects : subjects.toReversed()) {
      // The first burst warms up: caches, compiled code.
      const kept = burst === 0 ? new Samples() : samples
      const whole = async (timed: Timed) => {
        await round(timed)
        await also(store, timed)
      }
      for (let count = scaled(bench, roundsFull, 3); count > 0; count--) await timeRound(bench, kept, whole)
      await countPages(store, kept, whole)
      await vacuumed(store, kept)
      await store.checkPlans()
    }
  }
  const entries = subjects.map(async ({ store, samples }, index): Promise<[string, Figures]> => {
    const { dueIndexBytes, ...others } = await store.sizes()
    const dueIndexBeforeBytes = before[index]?.dueIndexBytes ?? 0
    return [store.name, { ...samples.medians(), dueIndexBeforeBytes, dueIndexBytes, ...others }]
  })
  return Object.fromEntries(await Promise.all(entries))
}

async function timeRound(bench: Bench, samples: Samples, round: Round): Promise<void> {
  bench.signal.throwIfAborted()
  if (sharedNowMs() > bench.deadlineMs) throw new Error('not done in time')
  let scanUs = 0
  await round(async (step, call) => {
    const beganMs = sharedNowMs()
    const result = await call()
    const us = (sharedNowMs() - beganMs) * 1_000
    samples.add(`${step}Us`, us)
    if (isScan(step)) scanUs += us
    return result
  })
  samples.add('scanUs', scanUs)
}

/** What a statement looks at does not depend on what else the machine does. A round of its own, since asking takes time. */
async function countPages(store: BenchStore, samples: Samples, round: Round): Promise<void> {
  let scanPages = 0
  await round(async (step, call) => {
    const before = await store.pages()
    const result = await call()
    const pages = (await store.pages()) - before
    samples.add(`${step}Pages`, pages)
    if (isScan(step)) scanPages += pages
    return result
  })
  samples.add('scanPages', scanPages)
}

async function vacuumed(store: BenchStore, samples: Samples): Promise<void> {
  samples.add('deadRows', await store.deadRows())
  const beganMs = sharedNowMs()
  await store.vacuum()
  samples.add('vacuumMs', sharedNowMs() - beganMs)
  samples.add('deadRowsAfterVacuum', await store.deadRows())
}
