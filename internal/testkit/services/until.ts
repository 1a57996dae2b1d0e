import { setTimeout as delay } from 'node:timers/promises'

/**
 * Asks again and again until `condition` holds.
 * @throws Error naming `what` when it does not within `timeoutMs`.
 */
export async function until(
  what: string,
  timeoutMs: number,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const endMs = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() >= endMs) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await delay(25)
  }
}
