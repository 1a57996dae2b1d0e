import { setTimeout as delay } from 'node:timers/promises'
import type { Running } from '../contenders/contender.ts'
import { sharedNowMs } from '../time.ts'
import type { Bench } from './scenario.ts'

const lookMs = 20

/** Looks until `isSo`. @throws Error that says how it is instead when the turn's time is over. */
export async function looking(
  { deadlineMs, signal }: Bench,
  isSo: () => Promise<boolean>,
  instead: () => string,
): Promise<void> {
  while (!(await isSo())) {
    signal.throwIfAborted()
    if (sharedNowMs() > deadlineMs) throw new Error(`not done in time: ${instead()}`)
    await delay(lookMs)
  }
}

/**
 * Waits until everything was delivered and settled. Only when the target has it all is the contender asked, since
 * counting costs it time.
 * @param count deliveries since the sink's last reset. @returns when it was over, by the shared clock.
 */
export async function untilDrained(bench: Bench, running: Running, count: number): Promise<number> {
  let taken = 0
  let left = 0
  const isTaken = async () => (taken = await bench.sink.count()) >= count
  const isSettled = async () => (left = await running.unfinished()) === 0
  await looking(bench, isTaken, () => `the target has ${taken} of ${count}`)
  await looking(bench, isSettled, () => `${left} of ${count} are not settled`)
  return sharedNowMs()
}
