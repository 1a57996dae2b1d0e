import { setTimeout as delay } from 'node:timers/promises'
import type { CompiledQuery } from 'kysely'
import postgres from 'postgres'
import { DependencyUnavailableError } from '../domain/errors.ts'
import type { Telemetry } from '../port/telemetry.ts'
import { classify, type Failure, noAnswer } from './driver-errors.ts'
import { quoteIdentifier } from './identifier.ts'
import type { DatabaseLink } from './link.ts'
import { encodeParam, type Param, toParam } from './params.ts'
import { Slots } from './slots.ts'

/** A statement with constant text; `Row` is what it returns, said beside the SQL that makes it so. */
export interface Statement<Row> {
  /** Metric label: one of a closed list. */
  readonly name: string
  readonly text: string
  /** Waits even where the line is full: what it writes would be lost, and its callers are bounded by what they claimed. */
  readonly vital?: boolean
  /** Never set; carries the type. */
  readonly row?: Row
}

export interface PostgresPoolOptions {
  readonly url: string
  readonly schema: string
  /** Connections, >= 1. */
  readonly max: number
  readonly applicationName: string
  /** PostgreSQL ends a statement after this time; our own deadline is one second later. Default 5000. */
  readonly statementTimeoutMs?: number
  /**
   * `fresh`: each run is planned anew, for the tables as they are; a plan kept from when a table was small would walk all
   * of it, until the next ANALYZE, for every claim. `kept`: planned once a session, which saves 0.3 to 0.6 ms of a
   * processor for each run; only for statements whose text leaves no other plan than a look at each row by its id.
   * Default `fresh`.
   */
  readonly plans?: 'kept' | 'fresh'
}

export interface PostgresPoolDeps {
  readonly telemetry: Pick<Telemetry, 'query' | 'pool'>
  /** Shared by all pools of the process. */
  readonly link: DatabaseLink
}

interface Generation {
  readonly number: number
  readonly sql: postgres.Sql
}

const statementTimeoutMsDefault = 5_000
const ownDeadlineMarginMs = 1_000
const connectTimeoutSeconds = 3
const endTimeoutMs = 2_000
const deadlockTriesMax = 3
const waitingPerConnection = 64

/**
 * Single statements over a pool that heals itself. After a lost connection the driver can lose slots or leave callers
 * unanswered for ever; so the first sign of a dead link replaces the whole pool by a new generation, and every
 * statement has a deadline of its own. There are no transactions here on purpose: a reserved connection that dies
 * takes the process with it.
 */
export class PostgresPool {
  readonly #options: Required<PostgresPoolOptions>
  readonly #telemetry: PostgresPoolDeps['telemetry']
  readonly #link: DatabaseLink
  readonly #slots: Slots
  #current: Generation
  #ended = false

  constructor(options: PostgresPoolOptions, deps: PostgresPoolDeps) {
    this.#options = { statementTimeoutMs: statementTimeoutMsDefault, plans: 'fresh', ...options }
    this.#telemetry = deps.telemetry
    this.#link = deps.link
    this.#current = { number: 0, sql: openDriver(this.#options) }
    const maxWaitMs = this.#options.statementTimeoutMs
    const limits = { max: options.max, maxWaiting: options.max * waitingPerConnection, maxWaitMs }
    this.#slots = new Slots(limits, (figures) => this.#telemetry.pool({ ...figures, generation: this.#current.number }))
  }

  /** How often the pool was replaced. */
  get generation(): number {
    return this.#current.number
  }

  /**
   * Runs one auto-committed statement; the loser of a deadlock is repeated a few times.
   * @throws DependencyUnavailableError when PostgreSQL cannot be reached or did not answer in time.
   * @throws RejectedDataError when it refused the data (SQLSTATE class 22, 23).
   * @throws OverloadedError when too many statements wait already.
   * @throws StatementRefusedError for everything else: a bug, or a schema that is not ours.
   */
  async run<Row>(statement: Statement<Row>, params: readonly Param[] = []): Promise<readonly Row[]> {
    await this.#slots.acquire(statement.vital ?? false)
    try {
      for (let tryNumber = 1; ; tryNumber++) {
        const result = await this.#tryOnce(statement, params)
        if ('rows' in result) return result.rows
        if (result.kind !== 'again' || tryNumber >= deadlockTriesMax) throw result.error
        await delay(Math.random() * 20 * tryNumber) // the winner is under way: do not meet it again at once
      }
    } finally {
      this.#slots.release()
    }
  }

  /** Runs what the query builder compiled; the builder knows the row type. */
  runCompiled<Row>(name: string, query: CompiledQuery<Row>): Promise<readonly Row[]> {
    return this.run<Row>({ name, text: query.sql }, query.parameters.map(toParam))
  }

  /** Refuses new statements, lets those under way finish for up to 2 s. Safe to call twice. */
  async end(): Promise<void> {
    this.#ended = true
    const closing = this.#current.sql.end({ timeout: endTimeoutMs / 1_000 }).catch(() => undefined)
    // The driver's own bound does not hold when its sockets are already gone.
    const abort = new AbortController()
    const bound = delay(endTimeoutMs + 200, undefined, { signal: abort.signal }).catch(() => undefined)
    await Promise.race([closing, bound])
    abort.abort()
  }

  async #tryOnce<Row>(
    statement: Statement<Row>,
    params: readonly Param[],
  ): Promise<{ readonly rows: readonly Row[] } | Failure> {
    if (this.#ended) throw new DependencyUnavailableError('postgres', 'the pool is closed')
    const generation = this.#current
    const startedAt = performance.now()
    try {
      const rows = await this.#withDeadline<Row>(generation.sql, statement, params)
      this.#link.answered()
      return { rows }
    } catch (error) {
      const failure = error instanceof DeadlinePassed ? error.failure : classify(error, statement.name)
      if (failure.kind === 'link') this.#replace(generation, failure)
      return failure
    } finally {
      this.#telemetry.query(statement.name, performance.now() - startedAt)
    }
  }

  async #withDeadline<Row>(
    sql: postgres.Sql,
    statement: Statement<Row>,
    params: readonly Param[],
  ): Promise<readonly Row[]> {
    const afterMs = this.#options.statementTimeoutMs + ownDeadlineMarginMs
    const pending = sql.unsafe<Row[]>(statement.text, params.map(encodeParam), { prepare: true })
    void pending.catch(() => undefined) // it may lose the race and fail later
    let timer: NodeJS.Timeout | undefined
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new DeadlinePassed(noAnswer(statement.name, afterMs))), afterMs)
    })
    try {
      return await Promise.race([pending, deadline])
    } finally {
      clearTimeout(timer)
    }
  }

  /** Once per generation: statements that fail with it later find it replaced already. */
  #replace(failed: Generation, failure: Failure): void {
    if (failed !== this.#current || this.#ended) return
    this.#link.lost(failure.error.message)
    this.#current = { number: failed.number + 1, sql: openDriver(this.#options) }
    void failed.sql.end({ timeout: 0 }).catch(() => undefined)
  }
}

/** May be one and the same. */
export interface StorePools {
  /** For accept, claim and settle, whose plans may be kept. */
  readonly work: PostgresPool
  /** For everything else. */
  readonly rest: PostgresPool
}

class DeadlinePassed extends Error {
  readonly failure: Failure
  constructor(failure: Failure) {
    super(failure.error.message)
    this.failure = failure
  }
}

function openDriver(options: Required<PostgresPoolOptions>): postgres.Sql {
  return postgres(options.url, {
    max: options.max,
    connect_timeout: connectTimeoutSeconds,
    idle_timeout: 0,
    max_lifetime: null,
    backoff: false, // a replaced pool connects at once; callers have their own back-off
    fetch_types: false, // arrays are written by encodeParam and read as JSON: no extra round trip per connection
    onnotice: () => undefined,
    connection: {
      application_name: options.applicationName,
      search_path: quoteIdentifier(options.schema),
      statement_timeout: options.statementTimeoutMs,
      lock_timeout: 2_000,
      idle_in_transaction_session_timeout: 10_000,
      plan_cache_mode: options.plans === 'kept' ? 'force_generic_plan' : 'force_custom_plan',
      enable_seqscan: 'off',
      jit: 'off',
      // Whatever the role's defaults say: the statements are raced at this level, and dates are read in this form.
      default_transaction_isolation: 'read committed',
      DateStyle: 'ISO',
      TimeZone: 'UTC',
    },
  })
}
