import { isIP } from 'node:net'
import type { AddressRules } from './address-rules.ts'

export interface PortRange {
  /** 1 to 65535, `first` <= `last`. */
  readonly first: number
  readonly last: number
}

export interface TargetSettings {
  readonly ports: readonly PortRange[]
  /** Whether `http:` may be used to public addresses; to the operator's own networks it always may. */
  readonly plainHttp: boolean
  /** URLs whose host and port may be called whatever they are and wherever they lead. */
  readonly trustedUrls: readonly string[]
  /** Whether a proxy resolves names, so that their addresses are never seen here. */
  readonly behindProxy: boolean
}

/** One origin, taken apart. */
export interface Target {
  readonly protocol: string
  /** Without brackets. */
  readonly hostname: string
  readonly port: number
  readonly isTrusted: boolean
  /** Where the host is written as an address, or as localhost, the addresses it stands for; else null. */
  readonly literals: readonly string[] | null
}

const name = /^(?=.{1,254}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*\.?$/

/** Tells which origins may be called, as far as that can be told from how they are written. */
export class TargetRules {
  readonly #addresses: AddressRules
  readonly #settings: TargetSettings
  readonly #trusted: ReadonlySet<string>

  constructor(addresses: AddressRules, settings: TargetSettings) {
    this.#addresses = addresses
    this.#settings = settings
    this.#trusted = new Set(settings.trustedUrls.map((url) => hostAndPort(new URL(url))))
  }

  read(url: URL): Target {
    // The URL standard has turned every spelling of an IPv4 address into the usual one here.
    const hostname = url.hostname.replace(/^\[|\]$/g, '')
    return {
      protocol: url.protocol,
      hostname,
      port: portOf(url),
      isTrusted: this.#trusted.has(hostAndPort(url)),
      literals: literalsOf(hostname),
    }
  }

  /** Why the origin may not be called, null when nothing speaks against it before its name is resolved. */
  problemOf(target: Target): string | null {
    const { protocol, port, hostname, literals } = target
    if (protocol !== 'https:' && protocol !== 'http:') return 'only https: and http: URLs can be called'
    if (target.isTrusted) return null
    const { ports, behindProxy } = this.#settings
    if (!ports.some(({ first, last }) => port >= first && port <= last)) {
      return `port ${port} is not one of the allowed ports ${ports.map(writtenRange).join(', ')}`
    }
    if (literals !== null) {
      const problems = literals.map((address) => this.addressProblem(target, address))
      return problems.includes(null) ? null : (problems[0] ?? null)
    }
    if (!name.test(hostname)) return 'its host is neither a name nor an IP address'
    return behindProxy && protocol === 'http:' && !this.#settings.plainHttp ? noPlainHttp : null
  }

  /** Why an address may not be dialled for this target, null when it may. */
  addressProblem({ protocol, isTrusted, literals }: Target, address: string): string | null {
    if (isTrusted) return null
    const verdict = this.#addresses.judge(address)
    if (!verdict.allowed) return `${literals === null ? 'its name leads to' : 'its host is'} ${verdict.kind}`
    return protocol === 'http:' && !verdict.own && !this.#settings.plainHttp ? noPlainHttp : null
  }
}

const noPlainHttp = 'http: would send it unencrypted to a public address, use https:'

/** RFC 6761: localhost and every name under it is the machine itself, whatever a resolver says. */
function literalsOf(hostname: string): readonly string[] | null {
  if (isIP(hostname) !== 0) return [hostname]
  return /(?:^|\.)localhost\.?$/.test(hostname) ? ['127.0.0.1', '::1'] : null
}

function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port)
  return url.protocol === 'https:' ? 443 : 80
}

function hostAndPort(url: URL): string {
  return `${url.hostname}:${portOf(url)}`
}

function writtenRange({ first, last }: PortRange): string {
  return first === last ? String(first) : `${first}-${last}`
}
