import { Counter, Gauge, type Registry } from 'prom-client'
import type { AttemptOutcome } from '../domain/attempt.ts'
import type { ConnectionId } from '../domain/connection.ts'
import { type ConnectionState, type ConnectionTelemetry, connectionStates } from '../port/connection-telemetry.ts'

const prefix = 'dispatch_engine_'
/** Connections with a label of their own; those that come later share `other`, so that no label set grows without end. */
const labelsMax = 200

/** Numbers by connection. Their ids are the operator's own, and few. */
export class ConnectionMetrics implements ConnectionTelemetry {
  readonly #labelled = new Set<ConnectionId>()
  readonly #sends: Counter<'connection' | 'outcome'>
  readonly #state: Gauge<'connection' | 'state'>

  constructor(registry: Registry) {
    this.#sends = new Counter({
      name: prefix + 'connection_sends_total',
      help: 'Sends over a connection, by how they ended.',
      labelNames: ['connection', 'outcome'],
      registers: [registry],
    })
    this.#state = new Gauge({
      name: prefix + 'connection_state',
      help: '1 for the state of its circuit breaker as this process last saw it.',
      labelNames: ['connection', 'state'],
      registers: [registry],
    })
  }

  connectionSend(id: ConnectionId, outcome: AttemptOutcome): void {
    this.#sends.inc({ connection: this.#label(id), outcome })
  }

  connectionState(id: ConnectionId, state: ConnectionState): void {
    const connection = this.#label(id)
    // Of many connections together no single state is true.
    if (connection === other) return
    for (const one of connectionStates) this.#state.set({ connection, state: one }, one === state ? 1 : 0)
  }

  #label(id: ConnectionId): string {
    if (this.#labelled.has(id)) return id
    if (this.#labelled.size >= labelsMax) return other
    this.#labelled.add(id)
    return id
  }
}

const other = 'other'
