import type { ConnectionId, ConnectionPause } from '../domain/connection.ts'

/** Takes a connection out of every route, in every process, until an operator clears it. */
export interface ConnectionPauser {
  /**
   * In this process at once when it resolves, in the others within seconds. A connection that is paused already, or not
   * there, stays as it is; callers at the same time cause one statement.
   * @param pause.reason for people, without secrets.
   * @throws DependencyUnavailableError when PostgreSQL cannot be reached: then nothing is paused.
   */
  pause(id: ConnectionId, pause: Pick<ConnectionPause, 'code' | 'reason'>): Promise<void>
}
