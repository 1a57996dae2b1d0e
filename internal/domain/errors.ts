/** The closed list of kinds a caller can meet; `code` is stable, the message is for people. */
export type ErrorCode =
  | 'invalid_request'
  | 'not_found'
  | 'state_conflict'
  | 'key_reused'
  | 'overloaded'
  | 'dependency_unavailable'

export abstract class DispatchError extends Error {
  abstract readonly code: ErrorCode
}

export interface FieldError {
  /** Path of the field as the client wrote it: `notifications[3].recipient`. */
  readonly path: string
  /** Stable, e.g. `too_long`. */
  readonly code: string
  readonly message: string
}

export class InvalidRequestError extends DispatchError {
  readonly code = 'invalid_request'
  readonly errors: readonly FieldError[]
  constructor(message: string, errors: readonly FieldError[] = [], options?: ErrorOptions) {
    super(message, options)
    this.errors = errors
  }
}

export class NotFoundError extends DispatchError {
  readonly code = 'not_found'
}

export class StateConflictError extends DispatchError {
  readonly code = 'state_conflict'
}

/** An idempotency key came back with another body. */
export class KeyReusedError extends DispatchError {
  readonly code = 'key_reused'
  /** Index in the batch, null for a single request. */
  readonly index: number | null
  constructor(message: string, index: number | null) {
    super(message)
    this.index = index
  }
}

/** A bound was reached (waiting requests, rows in flight): try again soon. */
export class OverloadedError extends DispatchError {
  readonly code = 'overloaded'
}

/** PostgreSQL, RabbitMQ or Redis cannot be reached; whether the work was done is unknown. */
export class DependencyUnavailableError extends DispatchError {
  readonly code = 'dependency_unavailable'
  readonly dependency: 'postgres' | 'redis' | 'rabbitmq'
  constructor(dependency: 'postgres' | 'redis' | 'rabbitmq', message: string, options?: ErrorOptions) {
    super(message, options)
    this.dependency = dependency
  }
}

/**
 * The database refused the data itself (SQLSTATE class 22 or 23). A group that fails so is split until the bad item
 * stands alone.
 */
export class RejectedDataError extends Error {
  readonly sqlState: string
  constructor(sqlState: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.sqlState = sqlState
  }
}

/** Text of whatever was thrown, for logs and for wrapping. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
