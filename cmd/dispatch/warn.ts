import { messageOf } from '../../internal/domain/errors.ts'
import type { Logger } from '../../internal/port/telemetry.ts'

/** For what may fail without harm: the next try heals it. */
export function warnOf(message: string, logger: Logger): (error: unknown) => void {
  return (error) => logger.warn(message, { error: messageOf(error) })
}
