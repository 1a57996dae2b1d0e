import {
  DependencyUnavailableError,
  DispatchError,
  type ErrorCode,
  type FieldError,
  InvalidRequestError,
  KeyReusedError,
  OverloadedError,
  RejectedDataError,
} from '../domain/errors.ts'
import { answer, type Ctx, type HeaderMap } from './context.ts'

/** Stable codes of `application/problem+json` answers: those of the domain and those only HTTP knows. */
export type ProblemCode =
  | ErrorCode
  | 'unauthorized'
  | 'forbidden'
  | 'method_not_allowed'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'internal'

export const problems = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  unauthorized: { status: 401, title: 'A valid API key is required' },
  forbidden: { status: 403, title: 'The API key does not allow this' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  state_conflict: { status: 409, title: 'The state does not allow this' },
  payload_too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'The body is not JSON' },
  key_reused: { status: 422, title: 'The idempotency key was used with another body' },
  overloaded: { status: 503, title: 'Too many requests are waiting' },
  dependency_unavailable: { status: 503, title: 'A dependency cannot be reached' },
  internal: { status: 500, title: 'Internal error' },
} as const satisfies Record<ProblemCode, { readonly status: number; readonly title: string }>

/** Longest list of field errors (or warnings) in one answer. */
export const listedErrorsMax = 100

export interface ProblemExtras {
  readonly errors?: readonly FieldError[]
  readonly warnings?: readonly FieldError[]
  readonly headers?: HeaderMap
}

/** An error that is already worded for the client. */
export class HttpProblem extends Error {
  readonly code: ProblemCode
  readonly extras: ProblemExtras
  constructor(code: ProblemCode, detail: string, extras: ProblemExtras = {}) {
    super(detail)
    this.code = code
    this.extras = extras
  }
}

/** A 400 about one field. `message` goes on after the path: `expected …, found …`. */
export function invalidField(path: string, code: string, message: string): HttpProblem {
  const text = `${path}: ${message}`
  return new HttpProblem('invalid_request', text, { errors: [{ path, code, message: text }] })
}

const overloadedRetrySeconds = 1
const dependencyRetrySeconds = 5

/** Fixed texts: what a driver says stays in the log. */
const unavailableText = {
  postgres:
    'PostgreSQL cannot be reached; whether the request took effect is unknown. Repeat it with the same idempotencyKey',
  redis: 'Redis cannot be reached; try again soon',
  rabbitmq: 'RabbitMQ cannot be reached; try again soon',
} as const satisfies Record<DependencyUnavailableError['dependency'], string>

/** What a client is told about any error; unknown ones tell nothing. */
export function toProblem(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error
  if (error instanceof InvalidRequestError) {
    return new HttpProblem('invalid_request', error.message, { errors: error.errors })
  }
  if (error instanceof KeyReusedError) return keyReused(error)
  if (error instanceof OverloadedError) {
    return new HttpProblem('overloaded', error.message, { headers: { 'retry-after': String(overloadedRetrySeconds) } })
  }
  if (error instanceof DependencyUnavailableError) {
    const headers = { 'retry-after': String(dependencyRetrySeconds) }
    return new HttpProblem('dependency_unavailable', unavailableText[error.dependency], { headers })
  }
  if (error instanceof DispatchError) return new HttpProblem(error.code, error.message)
  if (error instanceof RejectedDataError) {
    return new HttpProblem('invalid_request', `the database refused the data (SQLSTATE ${error.sqlState})`)
  }
  return new HttpProblem('internal', 'something went wrong here; the log holds the cause under this requestId')
}

function keyReused(error: KeyReusedError): HttpProblem {
  const path = error.index === null ? 'idempotencyKey' : `notifications[${error.index}].idempotencyKey`
  const text = error.index === null ? error.message : `notifications[${error.index}]: ${error.message}`
  return new HttpProblem('key_reused', text, { errors: [{ path, code: 'key_reused', message: text }] })
}

/** `application/problem+json`; `error` repeats the text for clients that read only that. */
export function problemResponse(c: Ctx, problem: HttpProblem): Response {
  const { status, title } = problems[problem.code]
  const { errors = [], warnings = [], headers = {} } = problem.extras
  const body = {
    type: `urn:dispatch-engine:problem:${problem.code}`,
    title,
    status,
    detail: problem.message,
    code: problem.code,
    error: problem.message,
    requestId: c.get('requestId'),
    ...(errors.length > 0 && { errors: errors.slice(0, listedErrorsMax) }),
    ...(warnings.length > 0 && { warnings: warnings.slice(0, listedErrorsMax) }),
  }
  return answer(c, status, body, { 'content-type': 'application/problem+json; charset=utf-8', ...headers })
}
