import type { Socket } from 'node:net'
import type { AddressRules, Verdict } from '../egress/address-rules.ts'
import { BlockedAddressError } from '../egress/blocked.ts'
import { guardedConnector } from '../egress/connector.ts'
import type { Names } from '../egress/names.ts'
import { TargetRules } from '../egress/target-rules.ts'
import { relayUrl, type SmtpSettings } from './connector.ts'

/** What the way out for HTTP knows of addresses and names; mail goes by the same rules. */
export interface SmtpEgress {
  readonly addresses: AddressRules
  readonly names: Pick<Names, 'resolve' | 'forget'>
}

export interface Relay {
  /** Without brackets, as certificates and the server name of TLS have it. */
  readonly hostname: string
  /**
   * A TCP connection to an address that was checked before and after it was made.
   * @throws BlockedAddressError, or the error of the look-up or the connection.
   */
  readonly dial: () => Promise<Socket>
}

/** Ports at which relays take mail; in networks that the operator named, any port will do. */
const publicPorts: readonly number[] = [25, 465, 587, 2465, 2525, 2587]
const everyPort = [{ first: 1, last: 65_535 }]

/** @throws TypeError when the host cannot be read. */
export function openRelay(settings: SmtpSettings, { addresses, names }: SmtpEgress): Relay {
  const url = relayUrl(settings)
  if (url === null) throw new TypeError('host: expected a host name or an IP address')
  const rules = new TargetRules(addresses, {
    ports: everyPort,
    plainHttp: false,
    trustedUrls: [],
    behindProxy: false,
  })
  const target = rules.read(url)
  const { hostname, port } = target
  const connect = guardedConnector(target, { rules, names, connectTimeoutMs: settings.connectTimeoutMs })
  const dial = () =>
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
  return { hostname: hostname.replace(/\.$/, ''), dial }
}

/** Why a relay must not be used at the address that was reached; null when it may. It speaks first: nothing was sent yet. */
export function reachedProblem(
  verdict: Verdict,
  { port, security }: Pick<SmtpSettings, 'port' | 'security'>,
): string | null {
  if (!verdict.allowed) return `its host leads to ${verdict.kind}`
  if (verdict.own) return null
  if (security === 'none') return 'security none would send it unencrypted to a public address, use starttls or tls'
  return publicPorts.includes(port) ? null : `port ${port} is not one of the ports for mail ${publicPorts.join(', ')}`
}
