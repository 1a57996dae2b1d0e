import type { Logger } from '../../port/telemetry.ts'

/** A logger for tests that do not look at the log. */
export const quietLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => quietLogger,
}
