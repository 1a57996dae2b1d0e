import { setTimeout as delay } from 'node:timers/promises'
import type { Running } from '../contenders/contender.ts'
import { sharedNowMs } from '../time.ts'
import type { Bench } from './scenario.ts'

const lookMs = 20

/**
 * Waits until everything was delivered and settled. Only when the target has it all is the contender asked, since
 * counting costs it time.
 * @param count deliveries since the sink's last reset. @returns when it was over, by the shared clock.
 */
export async function untilDrained({ sink, deadlineMs }: Bench, running: Running, count: number): Promise<number> {
  const look = async () => {
    if (sharedNowMs() > deadlineMs)
      throw new Error(`not drained in time: the target has ${await sink.count()} of ${count}`)
    await delay(lookMs)
  }
  while ((await sink.count()) < count) await look()
  while ((await running.unfinished()) > 0) await look()
  return sharedNowMs()
}
