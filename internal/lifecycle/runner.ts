import type { Clock } from '../port/clock.ts'
import type { Logger } from '../port/telemetry.ts'
import type { Component } from './component.ts'

export interface RunnerDeps {
  readonly clock: Pick<Clock, 'monotonicMs' | 'timeout'>
  readonly logger: Logger
}

export interface RunnerSettings {
  /** For all stops together. A component that hangs takes what is left, less {@link stopReserveMs} per one after it. */
  readonly stopBudgetMs: number
}

/** Kept back for every component still to be stopped, so that one that hangs cannot take the others' time. */
export const stopReserveMs = 500

/**
 * Starts `components` in order, waits for `untilShutdown`, stops them in reverse. A shutdown in the middle of a start
 * ends the waiting; a component that was only half started is stopped too. A stop that fails or overruns is logged and
 * the next one is stopped all the same.
 * @returns whether every component stopped in time and without an error.
 * @throws what a failed start threw, or what `untilShutdown` rejected with, once everything begun has been stopped.
 */
export async function runComponents(
  components: readonly Component[],
  untilShutdown: Promise<void>,
  deps: RunnerDeps,
  settings: RunnerSettings,
): Promise<boolean> {
  const begun: Component[] = []
  let failure: { readonly error: unknown } | null = null
  try {
    await startAll(components, begun, untilShutdown, deps)
    await untilShutdown
  } catch (error) {
    failure = { error }
  }
  const clean = await stopAll(begun.toReversed(), deps, settings)
  if (failure !== null) throw failure.error
  return clean
}

async function startAll(
  components: readonly Component[],
  begun: Component[],
  untilShutdown: Promise<void>,
  { clock, logger }: RunnerDeps,
): Promise<void> {
  const shutdown = untilShutdown.then(() => 'shutdown' as const)
  shutdown.catch(() => undefined) // the caller awaits the same promise
  for (const component of components) {
    begun.push(component) // before start: a half-started component must be stopped too
    const startedAtMs = clock.monotonicMs()
    const starting = component.start().then(() => 'started' as const)
    if ((await Promise.race([shutdown, starting])) === 'shutdown') {
      logger.info('told to stop while starting', { component: component.name })
      starting.catch((error: unknown) => {
        logger.debug('start given up', { component: component.name, reason: textOf(error) })
      })
      return
    }
    logger.debug('started', { component: component.name, tookMs: Math.round(clock.monotonicMs() - startedAtMs) })
  }
}

async function stopAll(components: readonly Component[], deps: RunnerDeps, settings: RunnerSettings): Promise<boolean> {
  const deadlineMs = deps.clock.monotonicMs() + settings.stopBudgetMs
  let clean = true
  for (const [index, component] of components.entries()) {
    const reservedMs = stopReserveMs * (components.length - 1 - index)
    const leftMs = deadlineMs - deps.clock.monotonicMs() - reservedMs
    clean = (await stopOne(component, Math.max(leftMs, stopReserveMs), deps)) && clean
  }
  return clean
}

async function stopOne(component: Component, withinMs: number, { clock, logger }: RunnerDeps): Promise<boolean> {
  const deadline = clock.timeout(withinMs)
  const overrun = new Promise<never>((_resolve, reject) => {
    deadline.signal.addEventListener('abort', () => reject(deadline.signal.reason), { once: true })
  })
  const startedAtMs = clock.monotonicMs()
  try {
    await Promise.race([component.stop(), overrun])
    logger.debug('stopped', { component: component.name, tookMs: Math.round(clock.monotonicMs() - startedAtMs) })
    return true
  } catch (error) {
    logger.error('did not stop cleanly', { component: component.name, withinMs, reason: textOf(error) })
    return false
  } finally {
    deadline.clear()
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
