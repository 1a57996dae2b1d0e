import postgres from 'postgres'
import { DependencyUnavailableError, RejectedDataError } from '../domain/errors.ts'

/** PostgreSQL refused the statement itself (missing table, missing right, our own codes): never the data's fault. */
export class StatementRefusedError extends Error {
  readonly sqlState: string
  constructor(sqlState: string, message: string) {
    super(message)
    this.sqlState = sqlState
  }
}

/**
 * `link`: the connection, and likely its whole pool, is gone. `again`: rolled back as the loser of a deadlock, the same
 * statement may simply be repeated. `slow`: ended by a time-out or a lack of room. `refused`: repeating will not help.
 */
export type FailureKind = 'link' | 'again' | 'slow' | 'refused'

export interface Failure {
  readonly kind: FailureKind
  readonly error: Error
}

/** Mistakes of ours that the driver reports in the manner of a system error. */
const driverMisuse = new Set(['UNDEFINED_VALUE', 'MAX_PARAMETERS_EXCEEDED', 'NOT_TAGGED_CALL', 'COPY_IN_PROGRESS'])

/** Connection lost, refused, server stopping, not allowed in, or become a read-only standby. */
const linkStates = /^(08|28|3D|57P|25006)/
const deadlockStates = /^40/
/** Time-outs, and want of room (53: no connection left, disk full): the other connections of the pool are well. */
const slowStates = /^(53|55P03|57|58|XX)/
const dataStates = /^(22|23)/

/**
 * What follows from an error of the driver. Its object carries the statement's parameters and its text may quote values,
 * so neither is kept: only the code, and the message where it can hold no value.
 */
export function classify(error: unknown, statement: string): Failure {
  if (!(error instanceof postgres.PostgresError)) return classifyDriverError(error, statement)
  const state = error.code
  if (linkStates.test(state))
    return unavailable('link', `PostgreSQL is not available: ${error.message} (${state})`, state)
  if (deadlockStates.test(state)) return unavailable('again', `${statement} lost a deadlock (${state})`, state)
  if (slowStates.test(state)) return unavailable('slow', `${statement} was ended by PostgreSQL (${state})`, state)
  if (dataStates.test(state)) {
    return {
      kind: 'refused',
      error: new RejectedDataError(state, `${statement}: PostgreSQL refused the data (${state})`),
    }
  }
  const detail = state.startsWith('42') ? `: ${error.message}` : ''
  return { kind: 'refused', error: new StatementRefusedError(state, `${statement} failed (${state})${detail}`) }
}

function classifyDriverError(error: unknown, statement: string): Failure {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'UNKNOWN'
  if (driverMisuse.has(code))
    return { kind: 'refused', error: new StatementRefusedError(code, `${statement}: ${code}`) }
  const text = code !== 'UNKNOWN' && error instanceof Error ? error.message : 'the driver failed'
  return unavailable('link', `PostgreSQL cannot be reached: ${text}`, code)
}

/** The statement's own deadline passed without a word: the link is taken for dead. */
export function noAnswer(statement: string, afterMs: number): Failure {
  return unavailable('link', `${statement}: PostgreSQL did not answer within ${afterMs} ms`, 'NO_ANSWER')
}

function unavailable(kind: FailureKind, message: string, code: string): Failure {
  return { kind, error: new DependencyUnavailableError('postgres', message, { cause: new Error(code) }) }
}
