import type { LookupAddress } from 'node:dns'
import type { LookupFunction, Socket } from 'node:net'
import { callbackify } from 'node:util'
import { buildConnector } from 'undici'
import { BlockedAddressError } from './blocked.ts'
import type { Names } from './names.ts'
import type { Target, TargetRules } from './target-rules.ts'

type Connector = buildConnector.connector

export interface ConnectorDeps {
  readonly rules: TargetRules
  readonly names: Pick<Names, 'resolve' | 'forget'>
  readonly connectTimeoutMs: number
}

/**
 * Opens the connections to one target, and only to addresses that were checked: the answer that is checked is the
 * answer that is dialled, and what was really reached is checked once more. Host and SNI stay those of the URL.
 */
export function guardedConnector(target: Target, { rules, names, connectTimeoutMs }: ConnectorDeps): Connector {
  const problem = rules.problemOf(target)
  if (problem !== null) return (_, callback) => later(() => callback(new BlockedAddressError(problem), null))
  const lookup = checkedLookup(() => addressesOf(target, { rules, names }))
  const connect = buildConnector({ timeout: connectTimeoutMs, allowH2: false, lookup })
  return (options, callback) => {
    connect(options, (error, socket) => {
      if (error !== null) {
        if (!(error instanceof BlockedAddressError)) names.forget(target.hostname)
        return callback(error, null)
      }
      const reached = reachedProblem(socket, target, rules)
      if (reached === null) return callback(null, socket)
      socket.destroy()
      callback(reached, null)
    })
  }
}

/** undici calls for no look-up when the host is written as an address: `problemOf` has judged that one. */
async function addressesOf(
  target: Target,
  { rules, names }: Pick<ConnectorDeps, 'rules' | 'names'>,
): Promise<readonly LookupAddress[]> {
  if (target.literals !== null) {
    return target.literals
      .filter((address) => rules.addressProblem(target, address) === null)
      .map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  }
  const addresses = await names.resolve(target.hostname)
  for (const { address } of addresses) {
    // One bad address is enough: whoever mixes them in means to have it dialled one day.
    const problem = rules.addressProblem(target, address)
    if (problem !== null) throw new BlockedAddressError(problem)
  }
  return addresses
}

function checkedLookup(resolve: () => Promise<readonly LookupAddress[]>): LookupFunction {
  const ask = callbackify(resolve)
  return (_name, options, callback) => {
    ask((error, addresses) => {
      if (error !== null) callback(error, '')
      else if (options.all === true) callback(null, [...addresses])
      else callback(null, addresses[0]?.address ?? '', addresses[0]?.family)
    })
  }
}

function reachedProblem({ remoteAddress }: Socket, target: Target, rules: TargetRules): Error | null {
  if (remoteAddress === undefined) return new ConnectionGoneError('the connection broke before it was used')
  const problem = rules.addressProblem(target, remoteAddress)
  return problem === null ? null : new BlockedAddressError(problem)
}

class ConnectionGoneError extends Error {
  override readonly name = 'ConnectionGoneError'
  readonly code = 'ECONNRESET'
}

/** undici expects the answer in a later turn: it is in the middle of its own work when it asks. */
function later(answer: () => void): void {
  setImmediate(answer)
}
