import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

type Address = ipaddr.IPv4 | ipaddr.IPv6
type Net = [base: Address, bits: number]

export type Verdict =
  /** `own`: the operator named a network that holds it; else it is a public unicast address. */
  | { readonly allowed: true; readonly own: boolean }
  /** What kind of address it is, with its article: `a private address`. */
  | { readonly allowed: false; readonly kind: string }

/**
 * Where clouds answer instances with credentials. Some are public addresses, and the rest lie in ranges that people
 * allow whole; so each needs an entry of its own.
 */
const metadata = [
  '169.254.169.254', // most clouds
  '169.254.170.2', // AWS ECS
  '169.254.170.23', // AWS EKS
  '100.100.100.200', // Alibaba
  '168.63.129.16', // Azure
  '192.0.0.192', // Oracle
  'fd00:ec2::254', // AWS
  'fd00:ec2::23', // AWS EKS
  'fd20:ce::254', // Google
].map((text) => ipaddr.parse(text))

/** The only block of IPv6 from which public unicast addresses are given out; what is special in it stands below. */
const globalUnicast = netOf('2000::/3')
/** NAT64 prefixes and whatever else carries an IPv4 address that the IPv4 rules would have to judge. */
const ipv4Carriers = [
  '::/96',
  '::ffff:0:0/96',
  '::ffff:0:0:0/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '2002::/16',
  '2001::/32',
].map(netOf)

/** Names of ipaddr.js for ranges, in words; every range without a word is reserved. */
const kindOfRange: ReadonlyMap<string, string> = new Map([
  ['unspecified', 'an unspecified address'],
  ['loopback', 'a loopback address'],
  ['private', 'a private address'],
  ['uniqueLocal', 'a private address'],
  ['deprecatedSiteLocal', 'a private address'],
  ['linkLocal', 'a link-local address'],
  ['carrierGradeNat', 'a carrier-grade NAT address'],
  ['multicast', 'a multicast address'],
  ['broadcast', 'a broadcast address'],
])

/** Tells which IP addresses may be called: the public ones, and those in networks that the operator named. */
export class AddressRules {
  readonly #allowNets: readonly Net[]
  readonly #denyNets: readonly Net[]

  /**
   * @param nets CIDR networks or single addresses; a denied one wins over an allowed one.
   * @throws TypeError naming the entry that is neither.
   */
  constructor(nets: { readonly allowNets: readonly string[]; readonly denyNets: readonly string[] }) {
    this.#allowNets = nets.allowNets.map(netOf)
    this.#denyNets = nets.denyNets.map(netOf)
  }

  /** @param text an address as the system writes it; anything else is not allowed. */
  judge(text: string): Verdict {
    if (isIP(text) === 0) return { allowed: false, kind: 'no IP address' }
    const address = ipaddr.parse(text)
    if (this.#denyNets.some((net) => isIn(address, net)))
      return { allowed: false, kind: 'an address in a denied network' }
    const holders = this.#allowNets.filter((net) => isIn(address, net))
    if (metadata.some((one) => isIn(address, [one, bitsOf(one)]))) {
      const named = holders.some(([, bits]) => bits === bitsOf(address))
      return named ? { allowed: true, own: true } : { allowed: false, kind: 'a cloud metadata address' }
    }
    if (holders.length > 0) return { allowed: true, own: true }
    const kind = specialKind(address)
    return kind === null ? { allowed: true, own: false } : { allowed: false, kind }
  }
}

/** What an address is when it is not public unicast; null when it is. */
function specialKind(address: Address): string | null {
  const range: string = address.range()
  const kind = kindOfRange.get(range)
  if (kind !== undefined) return kind
  if (ipv4Carriers.some((net) => isIn(address, net))) return 'an IPv4 address inside an IPv6 address'
  const isPublic = range === 'unicast' && (address.kind() === 'ipv4' || isIn(address, globalUnicast))
  return isPublic ? null : 'a reserved address'
}

function isIn(address: Address, net: Net): boolean {
  return address.kind() === net[0].kind() && address.match(net)
}

function bitsOf(address: Address): number {
  return address.kind() === 'ipv4' ? 32 : 128
}

function netOf(text: string): Net {
  const [, base = '', bits] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  // The strict reader decides: the library's own would take 010.1 for an address.
  const family = isIP(base)
  const size = family === 4 ? 32 : 128
  const prefix = bits === undefined ? size : Number(bits)
  if (family === 0 || prefix > size) {
    throw new TypeError(`found ${JSON.stringify(text)}, expected a network such as 10.0.0.0/8 or an IP address`)
  }
  return [ipaddr.parse(base), prefix]
}
