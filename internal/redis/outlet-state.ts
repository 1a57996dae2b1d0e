import type { ConnectionId } from '../domain/connection.ts'
import type { LearntLimit } from '../port/bucket-figures.ts'
import { learntKeptMs, type OutletState, type SharedStanding } from '../port/outlet-state.ts'
import type { RedisLink } from './link.ts'
import { readNumbers } from './numbers.ts'

/** Waits and breakers of connections, shared by all processes through Redis. */
export class RedisOutletState implements OutletState {
  readonly #link: RedisLink
  readonly #keyPrefix: string

  /** @param keyPrefix put before every key, to keep engines that share a Redis apart. */
  constructor(link: RedisLink, keyPrefix = '') {
    this.#link = link
    this.#keyPrefix = keyPrefix
  }

  async read(connections: readonly ConnectionId[]): Promise<readonly SharedStanding[] | null> {
    try {
      // One round trip: commands of one turn are sent together.
      return await Promise.all(connections.map((id) => this.#readOne(id)))
    } catch {
      return null
    }
  }

  cool(connection: ConnectionId, forMs: number, recipientKey: string | null): void {
    const ms = wholeMs(forMs)
    this.#link.tell((redis) =>
      recipientKey === null
        ? redis.coolConnection(this.#key(connection, 'cool'), ms)
        : redis.coolRecipient(this.#key(connection, 'recipients'), recipientKey, ms),
    )
  }

  learn(connection: ConnectionId, limit: LearntLimit): void {
    const text = JSON.stringify([limit.name, limit.remaining, limit.resetAfterMs])
    this.#link.tell((redis) => redis.set(this.#key(connection, 'learnt'), text, 'PX', learntKeptMs))
  }

  open(connection: ConnectionId, opens: number, forMs: number): void {
    this.#link.tell((redis) => redis.openBreaker(...this.#breakerKeys(connection), opens, wholeMs(forMs)))
  }

  async probe(connection: ConnectionId, holdMs: number): Promise<boolean | null> {
    try {
      const keys = this.#breakerKeys(connection)
      return (await this.#link.ask((redis) => redis.probeBreaker(...keys, wholeMs(holdMs)))) === 1
    } catch {
      return null
    }
  }

  close(connection: ConnectionId): void {
    this.#link.tell((redis) => redis.del(...this.#breakerKeys(connection)))
  }

  async #readOne(id: ConnectionId): Promise<SharedStanding> {
    const names = ['cool', 'recipients', 'breaker', 'probe', 'learnt'] as const
    const keys = names.map((name) => this.#key(id, name))
    return readStanding(await this.#link.ask((redis) => redis.readStanding(...keys)))
  }

  #breakerKeys(connection: ConnectionId): readonly [string, string] {
    return [this.#key(connection, 'breaker'), this.#key(connection, 'probe')]
  }

  #key(connection: ConnectionId, name: string): string {
    return `${this.#keyPrefix}{c:${connection}}:${name}`
  }
}

function wholeMs(ms: number): number {
  return Math.max(1, Math.ceil(ms))
}

/** @throws TypeError when Redis answered something else than the script says. */
export function readStanding(reply: unknown): SharedStanding {
  const parts: readonly unknown[] = Array.isArray(reply) ? reply : []
  const [coolingForMs = 0, opens = 0, openForMs = 0, probingForMs = 0] = readNumbers(parts.slice(0, 4), 4)
  const [, , , , waits, learnt, learntLivesMs] = parts
  const ageMs = learntKeptMs - (typeof learntLivesMs === 'number' ? learntLivesMs : 0)
  return {
    coolingForMs,
    opens,
    openForMs,
    probingForMs,
    coolingRecipients: readWaits(waits),
    learnt: readLearnt(learnt, ageMs),
  }
}

/** Key and wait in turn. */
function readWaits(waits: unknown): ReadonlyMap<string, number> {
  const flat: readonly unknown[] = Array.isArray(waits) ? waits : []
  const found = new Map<string, number>()
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const [key, ms] = [flat[at], flat[at + 1]]
    if (typeof key === 'string' && typeof ms === 'number') found.set(key, ms)
  }
  return found
}

function readLearnt(text: unknown, ageMs: number): LearntLimit | null {
  if (typeof text !== 'string' || text === '') return null
  const parts: unknown = JSON.parse(text)
  if (!Array.isArray(parts)) return null
  const values: readonly unknown[] = parts
  const [name, remaining, resetAfterMs] = values
  const leftMs = typeof resetAfterMs === 'number' ? resetAfterMs - ageMs : 0
  return {
    name: typeof name === 'string' ? name : null,
    remaining: typeof remaining === 'number' ? remaining : null,
    resetAfterMs: leftMs > 0 ? leftMs : null,
  }
}
