import type { PinoLogger } from '../../internal/telemetry/logger.ts'

/** Past the budget the process ends whatever is still under way: kill -9 is legal at all times. */
const graceMs = 2_000
/** One Ctrl-C can arrive twice: from the terminal, and passed on by npm. */
const sameSignalMs = 250

export interface Shutdown {
  /** Resolves at the first SIGTERM or SIGINT. */
  readonly requested: Promise<void>
  close(): void
}

/**
 * The first signal asks for an orderly stop, a second one ends the process at once. An error that nobody caught ends
 * the process with code 1: its state is unknown, and everything accepted is safe in PostgreSQL.
 */
export function listenForShutdown(logger: PinoLogger, budgetMs: number): Shutdown {
  const { promise: requested, resolve } = Promise.withResolvers<void>()
  let askedAtMs: number | null = null

  function onSignal(signal: NodeJS.Signals): void {
    const nowMs = performance.now()
    if (askedAtMs !== null && nowMs - askedAtMs < sameSignalMs) return
    if (askedAtMs !== null) return exitNow(`second ${signal}: ending at once`)
    askedAtMs = nowMs
    logger.info('stopping', { signal, budgetMs })
    setTimeout(() => exitNow('the stop took longer than its budget'), budgetMs + graceMs).unref()
    resolve()
  }

  function exitNow(reason: string): void {
    logger.fatal(reason)
    void logger.flush().finally(() => process.exit(1))
  }

  const onFault = (error: unknown): void =>
    exitNow(`uncaught: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)

  const signals = ['SIGTERM', 'SIGINT'] as const
  for (const signal of signals) process.on(signal, onSignal)
  process.on('uncaughtException', onFault)
  process.on('unhandledRejection', onFault)
  return {
    requested,
    close() {
      for (const signal of signals) process.off(signal, onSignal)
      process.off('uncaughtException', onFault)
      process.off('unhandledRejection', onFault)
    },
  }
}
