import type { Dispatcher } from 'undici'
import type { SendResult } from '../../domain/outcome.ts'
import type { Clock } from '../../port/clock.ts'
import { classifyFailure, classifyRefusal, systemCodeOf } from '../classify.ts'
import { BlockedAddressError } from '../egress/blocked.ts'
import { exchange } from '../exchange.ts'
import { responseBytesMax } from '../response-body.ts'
import type { ConnectorAnswer } from './answer.ts'
import type { ConnectorRequest } from './request.ts'

export interface CallDeps {
  /** All requests go through it. It says which targets may be called. */
  readonly dispatcher: Dispatcher
  readonly clock: Pick<Clock, 'now' | 'monotonicMs' | 'timeout' | 'after'>
}

/** No answer came. */
export interface NoAnswer {
  readonly error: unknown
  /** See `systemCodeOf`; `TimeoutError` or `AbortError` when the signal ended it. */
  readonly systemCode: string
  /** False only when no byte of the request can have left this process. */
  readonly written: boolean
}

/** When a request is given up: with the signal, or so many milliseconds from its start; null = only with the signal. */
export interface Until {
  readonly signal: AbortSignal
  readonly timeoutMs: number | null
}

/** One request and its whole answer in time. Never rejects. */
export function call(
  { target: { origin, path }, method, headers, body }: Omit<ConnectorRequest, 'url' | 'bodyValue'>,
  { dispatcher, clock }: Pick<CallDeps, 'dispatcher' | 'clock'>,
  { signal, timeoutMs }: Until,
): Promise<ConnectorAnswer | NoAnswer> {
  const request = { origin, path, method, headers, body }
  // Bodies decide what answers mean, so they are read as long as the deadline allows.
  const limits = { bodyBytesMax: responseBytesMax, bodyReadMaxMs: null, clock }
  return exchange(request, { dispatcher, signal, timeoutMs, ...limits }).then((outcome) => {
    if (outcome.kind === 'answer') return outcome
    const { error, mayBeWritten: written } = outcome
    if (signal.aborted && error === signal.reason) return { ...notSent(error), written }
    return { error, systemCode: systemCodeOf(error), written }
  })
}

/** As `classifyFailure`, or what the guard of all requests says. */
export function failureOf({ systemCode, written, error }: NoAnswer): SendResult {
  return error instanceof BlockedAddressError ? classifyRefusal(error) : classifyFailure(systemCode, written)
}

/** Called off by a signal before anything was sent. */
export function notSent(reason: unknown): NoAnswer {
  // A deadline keeps its name; every other reason to call a request off is one and the same.
  const isDeadline = reason instanceof Error && reason.name === 'TimeoutError'
  return { error: reason, systemCode: isDeadline ? 'TimeoutError' : 'AbortError', written: false }
}

interface Deadline {
  readonly signal: AbortSignal
  clear(): void
}

/** Ends with the caller's signal or after `timeoutMs`, whichever is first. */
export function deadlineOf(clock: Pick<Clock, 'timeout'>, timeoutMs: number, signal: AbortSignal): Deadline {
  const limit = clock.timeout(timeoutMs)
  const abort = new AbortController()
  const onSignal = () => abort.abort(signal.reason)
  const onLimit = () => abort.abort(limit.signal.reason)
  if (signal.aborted) onSignal()
  else signal.addEventListener('abort', onSignal, { once: true })
  limit.signal.addEventListener('abort', onLimit, { once: true })
  const clear = () => {
    signal.removeEventListener('abort', onSignal)
    limit.signal.removeEventListener('abort', onLimit)
    limit.clear()
  }
  return { signal: abort.signal, clear }
}

/** What `promise` gives, unless the signal is first: then its reason is thrown. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const onAbort = () => aborted.reject(signal.reason)
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
