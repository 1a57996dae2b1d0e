import type { AttemptOutcome } from '../domain/attempt.ts'
import type { ConnectionId } from '../domain/connection.ts'

export const connectionStates = ['closed', 'open', 'half_open', 'cooling'] as const
/** Of the circuit breaker; `cooling` when it is closed and the provider asked for a pause. */
export type ConnectionState = (typeof connectionStates)[number]

/** What happens over connections, in the words of the domain. */
export interface ConnectionTelemetry {
  connectionSend(connection: ConnectionId, outcome: AttemptOutcome): void
  connectionState(connection: ConnectionId, state: ConnectionState): void
}
