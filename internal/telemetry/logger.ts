import type { Writable } from 'node:stream'
import { type Logger as PinoInstance, pino, stdTimeFunctions } from 'pino'
import { prettyFactory } from 'pino-pretty'
import type { LogFields, Logger } from '../port/telemetry.ts'
import { BoundedOutput } from './bounded-output.ts'
import { safeFields, safeText } from './safe-fields.ts'

const flushWithinMs = 1_000

/** `dpanic` and `panic` are names of the source system and mean `fatal`: only the last words of the process. */
export const logLevels = ['debug', 'info', 'warn', 'error', 'fatal', 'dpanic', 'panic'] as const
export type LogLevel = (typeof logLevels)[number]

export interface PinoLoggerOptions {
  readonly level: LogLevel
  readonly format: 'json' | 'pretty'
  readonly version: string
  /** Default `dispatch-engine`. */
  readonly service?: string
  /** Colours of the pretty format; default false. */
  readonly color?: boolean
  /** Default standard output. */
  readonly stream?: Writable
}

class Lines implements Logger {
  protected readonly pino: PinoInstance

  constructor(instance: PinoInstance) {
    this.pino = instance
  }

  debug(message: string, fields: LogFields = {}): void {
    if (this.pino.isLevelEnabled('debug')) this.pino.debug(safeFields(fields), safeText(message))
  }

  info(message: string, fields: LogFields = {}): void {
    if (this.pino.isLevelEnabled('info')) this.pino.info(safeFields(fields), safeText(message))
  }

  warn(message: string, fields: LogFields = {}): void {
    if (this.pino.isLevelEnabled('warn')) this.pino.warn(safeFields(fields), safeText(message))
  }

  error(message: string, fields: LogFields = {}): void {
    if (this.pino.isLevelEnabled('error')) this.pino.error(safeFields(fields), safeText(message))
  }

  child(fields: LogFields): Logger {
    return new Lines(this.pino.child(safeFields(fields)))
  }
}

/**
 * One JSON object per line (`time` in ISO 8601, `level` as a word, `service`, `version`, `msg`), or lines for people.
 * Writing never makes the caller wait; what a stopped reader leaves no room for is dropped, and the drop is told.
 */
export class PinoLogger extends Lines {
  readonly #output: BoundedOutput

  constructor(options: PinoLoggerOptions) {
    const output = new BoundedOutput(options.stream ?? process.stdout, dropNotice)
    super(pinoOver(output, options))
    this.#output = output
  }

  /** The last words of a process that cannot go on; shown at every level. */
  fatal(message: string, fields: LogFields = {}): void {
    this.pino.fatal(safeFields(fields), safeText(message))
  }

  get backlog(): BoundedOutput['backlog'] {
    return this.#output.backlog
  }

  /** Before the process ends: resolves when all lines are out, after a second at the latest. */
  async flush(): Promise<void> {
    await this.#output.flush(flushWithinMs)
  }
}

function dropNotice(dropped: number): string {
  const line = { level: 'warn', time: new Date().toISOString(), msg: 'log lines dropped: nobody reads them', dropped }
  return `${JSON.stringify(line)}\n`
}

function pinoOver(output: BoundedOutput, options: PinoLoggerOptions): PinoInstance {
  const pretty =
    options.format === 'pretty'
      ? prettyFactory({
          colorize: options.color ?? false,
          ignore: 'service,version',
          singleLine: true,
          translateTime: 'SYS:HH:MM:ss.l',
        })
      : null
  const destination = { write: (line: string) => output.write(pretty === null ? line : pretty(line)) }
  return pino(
    {
      level: options.level === 'dpanic' || options.level === 'panic' ? 'fatal' : options.level,
      base: { service: options.service ?? 'dispatch-engine', version: options.version },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  )
}
