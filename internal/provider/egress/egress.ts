import { lookup as systemLookup } from 'node:dns/promises'
import { type buildConnector, type Dispatcher, Pool } from 'undici'
import type { Clock } from '../../port/clock.ts'
import { AddressRules } from './address-rules.ts'
import { guardedConnector } from './connector.ts'
import { type Lookup, Names } from './names.ts'
import { OriginPools } from './pools.ts'
import { type PortRange, type Target, TargetRules } from './target-rules.ts'
import { EgressProxy } from './tunnel.ts'

export interface EgressSettings {
  /** CIDR networks or addresses that may be called though they are not public, also over http:. */
  readonly allowNets?: readonly string[]
  /** CIDR networks or addresses that may not be called, whatever else allows them. */
  readonly denyNets?: readonly string[]
  readonly ports?: readonly PortRange[]
  /** Allows http: to public addresses. */
  readonly plainHttp?: boolean
  /** The operator's own targets: their host and port may be called wherever they lead, also over http:. */
  readonly trustedUrls?: readonly string[]
  /** An http: or https: proxy for all connections but those to the operator's own addresses; null = none. */
  readonly proxyUrl?: string | null
  /** Connections to one origin; at least the sends under way at once, since waiting counts within their deadlines. */
  readonly connections?: number
  /** Name look-up, TCP and TLS together. */
  readonly connectTimeoutMs?: number
  /** Between two pieces of a body; a request may set its own. */
  readonly bodyTimeoutMs?: number
  /** How long `close` waits for requests under way before it cuts them. */
  readonly stopMaxMs?: number
  /** Names looked up at once: fewer than the threads of the process (`UV_THREADPOOL_SIZE`, 4 by default). */
  readonly lookupsMax?: number
  /** 0 to 30,000. */
  readonly nameCacheMs?: number
  readonly originsMax?: number
}

export interface EgressDeps {
  readonly clock: Pick<Clock, 'monotonicMs' | 'timeout'>
  /** All addresses of a name; the system's resolver by default. */
  readonly lookup?: Lookup
}

export interface Egress {
  /** For every HTTP request that leaves the engine. A target that may not be called is a `BlockedAddressError`. */
  readonly dispatcher: Dispatcher
  /** The same rules, for what does not speak HTTP. */
  readonly addresses: AddressRules
  readonly names: Pick<Names, 'resolve' | 'forget'>
  /** The operator's proxy, through which all go that are not written as an address; null = none. */
  readonly proxy: Pick<EgressProxy, 'open'> | null
  /**
   * What speaks against a URL before anything is resolved, for whoever enters it; null when nothing does. The text
   * completes "url: …" and repeats no part of the URL but its port.
   */
  check(url: string): string | null
  /** Waits for requests under way, at most `stopMaxMs`, then cuts them. */
  close(): Promise<void>
}

export const connectionsDefault = 64
export const connectTimeoutMsDefault = 3_000
export const bodyTimeoutMsDefault = 2_000
export const stopMaxMsDefault = 5_000
/** The ports of the web, and those that self-hosted targets use in their place. */
export const portsDefault: readonly PortRange[] = [80, 443, 8080, 8443].map((port) => ({ first: port, last: port }))
const lookupTimeoutMs = 3_000
const lookupsMaxDefault = 3
const nameCacheMsDefault = 30_000
const namesMax = 10_000
const originsMaxDefault = 1_000
/** Idle connections are given up before usual servers give them up (5 s): a request on a dying one may be lost. */
const keepAliveMs = 4_000
const headerBytesMax = 16_384
/** Only a backstop, above every deadline that a caller may give (less than 15 min, half the broker's own limit). */
const headersTimeoutMs = 900_000

/**
 * The one way out for HTTP. Addresses are checked when a connection is made, so a request on a kept one costs nothing;
 * redirects are not followed.
 * @throws TypeError when a network, a trusted URL or the proxy's URL cannot be read.
 */
export function openEgress(settings: EgressSettings, { clock, lookup = resolveAll }: EgressDeps): Egress {
  const connectTimeoutMs = settings.connectTimeoutMs ?? connectTimeoutMsDefault
  const { allowNets = [], denyNets = [], proxyUrl = null } = settings
  const addresses = new AddressRules({ allowNets, denyNets })
  const rules = new TargetRules(addresses, {
    ports: settings.ports ?? portsDefault,
    plainHttp: settings.plainHttp ?? false,
    trustedUrls: settings.trustedUrls ?? [],
    behindProxy: proxyUrl !== null,
  })
  const names = new Names(
    {
      timeoutMs: lookupTimeoutMs,
      cacheMs: settings.nameCacheMs ?? nameCacheMsDefault,
      lookupsMax: settings.lookupsMax ?? lookupsMaxDefault,
      namesMax,
    },
    { clock, lookup },
  )
  const proxy = proxyUrl === null ? null : new EgressProxy(proxyUrl, connectTimeoutMs)
  const connectorOf = (target: Target) =>
    proxy === null || target.literals !== null
      ? guardedConnector(target, { rules, names, connectTimeoutMs })
      : proxy.connector(target, rules)
  const pools = new OriginPools((origin) => openPool(origin, connectorOf(rules.read(origin)), settings), {
    originsMax: settings.originsMax ?? originsMaxDefault,
  })
  const cutAfterMs = settings.stopMaxMs ?? stopMaxMsDefault
  let closing: Promise<void> | null = null
  return {
    dispatcher: pools,
    addresses,
    names,
    proxy,
    check: (text) => checkUrl(text, rules),
    close: () => (closing ??= closeAll(pools, proxy, clock.timeout(cutAfterMs))),
  }
}

async function closeAll(pools: OriginPools, proxy: EgressProxy | null, limit: ReturnType<Clock['timeout']>) {
  const over = Promise.withResolvers<void>()
  limit.signal.addEventListener('abort', () => over.resolve(), { once: true })
  await Promise.race([pools.close(), over.promise])
  limit.clear()
  await Promise.all([pools.destroy(), proxy?.destroy()])
}

function openPool(origin: URL, connect: buildConnector.connector, settings: EgressSettings): Pool {
  return new Pool(origin, {
    connect,
    connections: settings.connections ?? connectionsDefault,
    headersTimeout: headersTimeoutMs,
    bodyTimeout: settings.bodyTimeoutMs ?? bodyTimeoutMsDefault,
    keepAliveTimeout: keepAliveMs,
    keepAliveMaxTimeout: keepAliveMs,
    maxHeaderSize: headerBytesMax,
    pipelining: 1,
    allowH2: false, // "was it written" is known per connection, which streams would share
  })
}

function checkUrl(text: string, rules: TargetRules): string | null {
  const url = URL.parse(text)
  if (url === null) return 'it is no URL, expected one such as https://example.com/path'
  if (url.username !== '' || url.password !== '') return 'it may not hold a user name or a password'
  return rules.problemOf(rules.read(url))
}

function resolveAll(name: string): ReturnType<Lookup> {
  return systemLookup(name, { all: true })
}
