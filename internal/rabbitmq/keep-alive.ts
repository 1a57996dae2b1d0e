import { type RetryPolicy, retryDelayMs } from '../domain/retry-policy.ts'
import type { Clock } from '../port/clock.ts'

export interface KeepAliveDeps {
  readonly clock: Clock
  readonly backOff: RetryPolicy
  /** Uniform in [0, 1). */
  readonly random: () => number
}

/**
 * Runs `session` again and again until `stop` aborts, for ever. Each end of a session is told to `onEnd` and followed
 * by a back-off that grows while sessions are short: one that outlived the longest pause counts as healthy again.
 */
export async function keepAlive(
  session: () => Promise<void>,
  stop: AbortSignal,
  onEnd: (reason: unknown) => void,
  { clock, backOff, random }: KeepAliveDeps,
): Promise<void> {
  let failures = 0
  while (!stop.aborted) {
    const startedMs = clock.monotonicMs()
    const reason: unknown = await session().then(
      () => new Error('ended'),
      (error: unknown) => error,
    )
    if (stop.aborted) return
    onEnd(reason)
    failures = clock.monotonicMs() - startedMs > backOff.maxDelayMs ? 1 : failures + 1
    await clock.sleep(retryDelayMs(backOff, failures, random), stop).catch(() => undefined)
  }
}

/** A deadline of our own passed; whether the work was done is unknown. */
export class NoAnswerError extends Error {}

/** `work`, or a {@link NoAnswerError} that names `what` after `ms` milliseconds. `work` itself goes on. */
export async function within<T>(work: Promise<T>, ms: number, what: string, clock: Clock): Promise<T> {
  const timer = clock.timeout(ms)
  const late = new Promise<never>((_, reject) => {
    timer.signal.addEventListener('abort', () => reject(new NoAnswerError(`${what}: no answer within ${ms} ms`)), {
      once: true,
    })
  })
  try {
    return await Promise.race([work, late])
  } finally {
    timer.clear()
  }
}

/** Resolves as soon as `signal` aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** `work`, or a rejection as soon as `signal` aborts; leaves no listener behind. */
export function unless<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

const errorTextMax = 1_000

/** One bounded line for logs and health answers. Connecting to a name with several addresses fails without a message. */
export function errorText(error: unknown): string {
  const text = error instanceof Error ? error.message || codeOf(error) || error.name : String(error)
  return text.replaceAll(/\s+/gu, ' ').slice(0, errorTextMax)
}

/** The driver's reply code (406, 404, …) or the system's (`ECONNREFUSED`); empty when there is none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
