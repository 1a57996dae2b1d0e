import type { ConnectionId } from '../../domain/connection.ts'
import { messageOf } from '../../domain/errors.ts'
import type { ConnectorConfig } from '../connector/config.ts'
import { RequestError } from '../connector/request.ts'
import type { OutletKind } from './kind.ts'

export interface TrialProblem {
  /** The field at fault; null when it is not one alone. */
  readonly field: string | null
  /** For people, without secrets. */
  readonly message: string
}

/** Why a connection cannot be opened whose fields are right one by one; null when it can. Nothing is sent. */
export function trialProblem(id: ConnectionId, kind: OutletKind, config: ConnectorConfig): TrialProblem | null {
  try {
    const outlet = kind.open(id, config)
    void Promise.resolve(outlet.close()).catch(() => undefined)
    return null
  } catch (error) {
    return { field: error instanceof RequestError ? error.field : null, message: messageOf(error) }
  }
}
