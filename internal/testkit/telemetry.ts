import type { LogFields, Logger, Telemetry } from '../port/telemetry.ts'

type Verb = keyof Telemetry
type Calls = { readonly [V in Verb]: Parameters<Telemetry[V]>[] }

/** Remembers every call by its verb: `telemetry.calls.sent` is `[['SMS', 2], …]`. */
export class RecordingTelemetry implements Telemetry {
  readonly calls: Calls = noCalls()

  accepted(...args: Parameters<Telemetry['accepted']>): void {
    this.calls.accepted.push(args)
  }
  claimed(...args: Parameters<Telemetry['claimed']>): void {
    this.calls.claimed.push(args)
  }
  firstAttempt(...args: Parameters<Telemetry['firstAttempt']>): void {
    this.calls.firstAttempt.push(args)
  }
  inFlight(...args: Parameters<Telemetry['inFlight']>): void {
    this.calls.inFlight.push(args)
  }
  sendDuration(...args: Parameters<Telemetry['sendDuration']>): void {
    this.calls.sendDuration.push(args)
  }
  sent(...args: Parameters<Telemetry['sent']>): void {
    this.calls.sent.push(args)
  }
  failed(...args: Parameters<Telemetry['failed']>): void {
    this.calls.failed.push(args)
  }
  retryScheduled(...args: Parameters<Telemetry['retryScheduled']>): void {
    this.calls.retryScheduled.push(args)
  }
  outcomeUnknown(...args: Parameters<Telemetry['outcomeUnknown']>): void {
    this.calls.outcomeUnknown.push(args)
  }
  fenced(...args: Parameters<Telemetry['fenced']>): void {
    this.calls.fenced.push(args)
  }
  orphaned(...args: Parameters<Telemetry['orphaned']>): void {
    this.calls.orphaned.push(args)
  }
  released(...args: Parameters<Telemetry['released']>): void {
    this.calls.released.push(args)
  }
  rateLimitWaited(...args: Parameters<Telemetry['rateLimitWaited']>): void {
    this.calls.rateLimitWaited.push(args)
  }
  limiterDegraded(...args: Parameters<Telemetry['limiterDegraded']>): void {
    this.calls.limiterDegraded.push(args)
  }
  publishUnconfirmed(...args: Parameters<Telemetry['publishUnconfirmed']>): void {
    this.calls.publishUnconfirmed.push(args)
  }
  parked(...args: Parameters<Telemetry['parked']>): void {
    this.calls.parked.push(args)
  }
  dependencyUp(...args: Parameters<Telemetry['dependencyUp']>): void {
    this.calls.dependencyUp.push(args)
  }
  consumersActive(...args: Parameters<Telemetry['consumersActive']>): void {
    this.calls.consumersActive.push(args)
  }
  query(...args: Parameters<Telemetry['query']>): void {
    this.calls.query.push(args)
  }
  bound(...args: Parameters<Telemetry['bound']>): void {
    this.calls.bound.push(args)
  }
  refused(...args: Parameters<Telemetry['refused']>): void {
    this.calls.refused.push(args)
  }
  dispatchDegraded(...args: Parameters<Telemetry['dispatchDegraded']>): void {
    this.calls.dispatchDegraded.push(args)
  }
  pool(...args: Parameters<Telemetry['pool']>): void {
    this.calls.pool.push(args)
  }
  httpRequest(...args: Parameters<Telemetry['httpRequest']>): void {
    this.calls.httpRequest.push(args)
  }
}

function noCalls(): Calls {
  return {
    accepted: [],
    claimed: [],
    firstAttempt: [],
    inFlight: [],
    sendDuration: [],
    sent: [],
    failed: [],
    retryScheduled: [],
    outcomeUnknown: [],
    fenced: [],
    orphaned: [],
    released: [],
    rateLimitWaited: [],
    limiterDegraded: [],
    publishUnconfirmed: [],
    parked: [],
    dependencyUp: [],
    consumersActive: [],
    query: [],
    bound: [],
    refused: [],
    dispatchDegraded: [],
    pool: [],
    httpRequest: [],
  }
}

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
}

export interface RecordedLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields: LogFields
}

/** Remembers every line, those of its children included. */
export class RecordingLogger implements Logger {
  readonly lines: RecordedLine[]
  readonly #bound: LogFields

  constructor(lines: RecordedLine[] = [], bound: LogFields = {}) {
    this.lines = lines
    this.#bound = bound
  }

  of(level: RecordedLine['level']): RecordedLine[] {
    return this.lines.filter((line) => line.level === level)
  }

  debug(message: string, fields: LogFields = {}): void {
    this.#add('debug', message, fields)
  }
  info(message: string, fields: LogFields = {}): void {
    this.#add('info', message, fields)
  }
  warn(message: string, fields: LogFields = {}): void {
    this.#add('warn', message, fields)
  }
  error(message: string, fields: LogFields = {}): void {
    this.#add('error', message, fields)
  }
  child(fields: LogFields): RecordingLogger {
    return new RecordingLogger(this.lines, { ...this.#bound, ...fields })
  }

  #add(level: RecordedLine['level'], message: string, fields: LogFields): void {
    this.lines.push({ level, message, fields: { ...this.#bound, ...fields } })
  }
}
