import type { Socket } from 'node:net'
import type { AddressRules, Verdict } from '../egress/address-rules.ts'
import { BlockedAddressError } from '../egress/blocked.ts'
import { guardedConnector } from '../egress/connector.ts'
import type { Names } from '../egress/names.ts'
import { type Target, TargetRules } from '../egress/target-rules.ts'
import type { EgressProxy } from '../egress/tunnel.ts'
import { relayUrl, type SmtpSettings } from './connector.ts'

/** What the way out for HTTP knows of addresses and names; mail goes by the same rules. */
export interface SmtpEgress {
  readonly addresses: AddressRules
  readonly names: Pick<Names, 'resolve' | 'forget'>
  readonly proxy: Pick<EgressProxy, 'open'> | null
}

export interface Relay {
  /** Without brackets, as certificates and the server name of TLS have it. */
  readonly hostname: string
  /**
   * A TCP connection to an address that was checked before and after it was made, or a tunnel through the operator's proxy.
   * @throws BlockedAddressError, or the error of the look-up, the connection or the proxy.
   */
  readonly dial: () => Promise<Socket>
}

/** Ports at which relays take mail; in networks that the operator named, any port will do. */
const publicPorts: readonly number[] = [25, 465, 587, 2465, 2525, 2587]
const everyPort = [{ first: 1, last: 65_535 }]

/** @throws TypeError when the host cannot be read. */
export function openRelay(settings: SmtpSettings, egress: SmtpEgress): Relay {
  const url = relayUrl(settings)
  if (url === null) throw new TypeError('host: expected a host name or an IP address')
  const rules = new TargetRules(egress.addresses, {
    ports: everyPort,
    plainHttp: false,
    trustedUrls: [],
    behindProxy: false,
  })
  const target = rules.read(url)
  const { proxy } = egress
  const dial =
    proxy === null || target.literals !== null
      ? directDial(settings, egress, target, rules)
      : proxyDial(settings, proxy, target, rules)
  return { hostname: target.hostname.replace(/\.$/, ''), dial }
}

function directDial(
  settings: SmtpSettings,
  { addresses, names }: SmtpEgress,
  target: Target,
  rules: TargetRules,
): Relay['dial'] {
  const { hostname, port } = target
  const connect = guardedConnector(target, { rules, names, connectTimeoutMs: settings.connectTimeoutMs })
  return () =>
    new Promise<Socket>((resolve, reject) => {
      // "http:" is what the connector calls TCP without TLS: that is for the SMTP client to add.
      connect({ hostname, protocol: 'http:', port: String(port) }, (error, socket) => {
        if (error !== null) return reject(error)
        const problem = reachedProblem(addresses.judge(socket.remoteAddress ?? ''), settings)
        if (problem === null) return resolve(socket)
        socket.destroy()
        reject(new BlockedAddressError(problem))
      })
    })
}

/** The proxy resolves the name, so where it leads is not known: as little is allowed as for a public address. */
function proxyDial(
  settings: SmtpSettings,
  proxy: Pick<EgressProxy, 'open'>,
  target: Target,
  rules: TargetRules,
): Relay['dial'] {
  const problem = rules.problemOf(target) ?? publicProblem(settings)
  return async () => {
    if (problem !== null) throw new BlockedAddressError(problem)
    return proxy.open(target)
  }
}

/** Why a relay must not be used at the address that was reached; null when it may. It speaks first: nothing was sent yet. */
export function reachedProblem(
  verdict: Verdict,
  { port, security }: Pick<SmtpSettings, 'port' | 'security'>,
): string | null {
  if (!verdict.allowed) return `its host leads to ${verdict.kind}`
  return verdict.own ? null : publicProblem({ port, security })
}

function publicProblem({ port, security }: Pick<SmtpSettings, 'port' | 'security'>): string | null {
  if (security === 'none') return 'security none would send it unencrypted to a public address, use starttls or tls'
  return publicPorts.includes(port) ? null : `port ${port} is not one of the ports for mail ${publicPorts.join(', ')}`
}
