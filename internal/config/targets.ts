import type { OpenField } from './field.ts'
import { namesOf } from './field.ts'
import { fields } from './fields.ts'
import type { Reading } from './reader.ts'
import type { Readings } from './readings.ts'
import type { BrokerTarget, DatabaseTarget, RedisTarget } from './urls.ts'

/** Which technology stands behind each port; null when a problem says why it is not known. */
export interface Targets {
  readonly database: DatabaseTarget | null
  readonly broker: BrokerTarget | null
  readonly redis: RedisTarget | null
  /** What chose a built-in part, as the user wrote it. */
  readonly builtIn: readonly string[]
}

/** Puts EMBEDDED=1 and the three URLs together; they may not contradict each other. */
export function chooseTargets(r: Readings, problems: string[]): Targets {
  function choose<T extends { readonly kind: string }>(
    field: OpenField<T>,
    given: Reading<T | null>,
    builtIn: T,
  ): T | null {
    if (given.broken) return null
    const embedded = r.embedded.value
    if (given.value === null) {
      if (embedded) return builtIn
      if (!r.embedded.broken) problems.push(missing(field))
      return null
    }
    if (!embedded || given.value.kind === builtIn.kind) return given.value
    problems.push(`${r.embedded.shown} and ${given.shown} contradict each other: leave one of them out`)
    return null
  }
  const database = choose<DatabaseTarget>(fields.database, r.database, { kind: 'embedded' })
  const broker = choose<BrokerTarget>(fields.broker, r.broker, { kind: 'memory' })
  const redis = choose<RedisTarget>(fields.redis, r.redis, { kind: 'memory' })
  const byUrl = [
    ...(database?.kind === 'embedded' ? [r.database.shown] : []),
    ...(broker?.kind === 'memory' ? [r.broker.shown] : []),
    ...(redis?.kind === 'memory' ? [r.redis.shown] : []),
  ]
  const builtIn = r.embedded.value ? [r.embedded.shown] : byUrl
  if (builtIn.length === 0 && r.webhookUrl.value === null && !r.webhookUrl.broken && !r.embedded.broken) {
    problems.push(missing(fields.webhookUrl))
  }
  return { database, broker, redis, builtIn }
}

function missing(field: OpenField<unknown>): string {
  const [name, ...aliases] = namesOf(field)
  const names = aliases.length === 0 ? name : `${name} (or ${aliases.join(', ')})`
  return `${names}: not set, expected ${field.parser.expected}; EMBEDDED=1 runs the engine without it`
}
