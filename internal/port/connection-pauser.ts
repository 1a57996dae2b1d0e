import type { ConnectionPause } from '../domain/connection.ts'
import type { Outlet } from './outlet.ts'

/** Takes a connection out of every route, in every process, until an operator clears it. */
export interface ConnectionPauser {
  /**
   * In this process at once when it resolves, in the others within seconds. Callers at the same time cause one statement.
   * @param outlet over which was found what is wrong. When the connection has been changed, removed, disabled, paused or
   *   resumed since the outlet was opened, by whatever process, that says nothing of it as it is now: it stays so.
   * @param pause.reason for people, without secrets.
   * @returns whether it was paused for this.
   * @throws DependencyUnavailableError when PostgreSQL cannot be reached: then nothing is paused.
   * @throws OverloadedError when connections are changed without end: then nothing is paused either.
   */
  pause(outlet: Outlet, pause: Pick<ConnectionPause, 'code' | 'reason'>): Promise<boolean>
}
