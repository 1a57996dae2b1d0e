import { BlockList, isIPv4 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AddressRules } from './address-rules.ts'

const rules = new AddressRules({ allowNets: [], denyNets: [] })

/** Networks without public unicast addresses, with what an address in them is called. */
const forbidden = [
  ['0.0.0.0/8', 'an unspecified address'],
  ['10.0.0.0/8', 'a private address'],
  ['100.64.0.0/10', 'a carrier-grade NAT address'],
  ['127.0.0.0/8', 'a loopback address'],
  ['169.254.0.0/16', 'a link-local address'],
  ['172.16.0.0/12', 'a private address'],
  ['192.0.0.0/24', 'a reserved address'],
  ['192.0.2.0/24', 'a reserved address'],
  ['192.88.99.0/24', 'a reserved address'],
  ['192.168.0.0/16', 'a private address'],
  ['198.18.0.0/15', 'a reserved address'],
  ['198.51.100.0/24', 'a reserved address'],
  ['203.0.113.0/24', 'a reserved address'],
  ['224.0.0.0/4', 'a multicast address'],
  ['240.0.0.0/4', 'a reserved address'],
  ['255.255.255.255/32', 'a broadcast address'],
  ['::/128', 'an unspecified address'],
  ['::1/128', 'a loopback address'],
  ['::/96', 'an IPv4 address inside an IPv6 address'],
  ['::ffff:0:0/96', 'an IPv4 address inside an IPv6 address'],
  ['::ffff:0:0:0/96', 'an IPv4 address inside an IPv6 address'],
  ['64:ff9b::/96', 'an IPv4 address inside an IPv6 address'],
  ['64:ff9b:1::/48', 'an IPv4 address inside an IPv6 address'],
  ['2002::/16', 'an IPv4 address inside an IPv6 address'],
  ['2001::/32', 'an IPv4 address inside an IPv6 address'],
  ['100::/64', 'a reserved address'],
  ['2001:2::/48', 'a reserved address'],
  ['2001:10::/28', 'a reserved address'],
  ['2001:20::/28', 'a reserved address'],
  ['2001:db8::/32', 'a reserved address'],
  ['3fff::/20', 'a reserved address'],
  ['5f00::/16', 'a reserved address'],
  ['4000::/2', 'a reserved address'],
  ['8000::/2', 'a reserved address'],
  ['fc00::/7', 'a private address'],
  ['fe80::/10', 'a link-local address'],
  ['fec0::/10', 'a private address'],
  ['ff00::/8', 'a multicast address'],
] as const

function netOf(text: string): { base: bigint; bits: number; size: 32 | 128 } {
  const [base = '', bits = ''] = text.split('/')
  const size = isIPv4(base) ? 32 : 128
  return { base: size === 32 ? v4Number(base) : v6Number(base), bits: Number(bits), size }
}

function v4Number(text: string): bigint {
  return text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n)
}

function v6Number(text: string): bigint {
  const [head = '', tail = ''] = text.split('::')
  const front = head.split(':').filter((part) => part !== '')
  const back = tail.split(':').filter((part) => part !== '')
  const parts = [...front, ...Array.from({ length: 8 - front.length - back.length }, () => '0'), ...back]
  return parts.reduce((sum, part) => sum * 65_536n + BigInt(`0x${part}`), 0n)
}

function written(value: bigint, size: 32 | 128): string {
  if (size === 32) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.')
  return Array.from({ length: 8 }, (_, at) => ((value >> BigInt(112 - 16 * at)) & 65_535n).toString(16)).join(':')
}

const addressIn = (text: string) => {
  const { base, bits, size } = netOf(text)
  return fc.bigInt(0n, (1n << BigInt(size - bits)) - 1n).map((host) => written(base + host, size))
}

const anyV4 = fc.bigInt(0n, (1n << 32n) - 1n).map((value) => written(value, 32))
const anyV6 = fc.bigInt(0n, (1n << 128n) - 1n).map((value) => written(value, 128))
const anyGlobalV6 = addressIn('2000::/3')

describe('AddressRules', () => {
  it.each(forbidden)('refuse all of %s', (net, kind) => {
    const { base, bits, size } = netOf(net)
    const last = base + (1n << BigInt(size - bits)) - 1n
    const kinds = new Set<string>()
    const refused = (address: string) => {
      const verdict = rules.judge(address)
      if (!verdict.allowed) kinds.add(verdict.kind)
      return !verdict.allowed
    }
    expect(refused(written(base, size)) && refused(written(last, size))).toBe(true)
    fc.assert(fc.property(addressIn(net), refused))
    expect(kinds).toContain(kind)
  })

  it('say of every address what a plain list of networks says', () => {
    const lists = { ipv4: new BlockList(), ipv6: new BlockList() } // two, since Node judges IPv4 by rules for ::ffff:0:0/96
    const others = ['192.31.196.0/24', '192.52.193.0/24', '192.175.48.0/24', '168.63.129.16/32']
    const othersV6 = ['::/3', 'c000::/3', 'e000::/3', '2001::/23', '2620:4f:8000::/48']
    for (const net of [...forbidden.map(([one]) => one), ...others, ...othersV6]) {
      const [base = '', bits = ''] = net.split('/')
      const kind = isIPv4(base) ? 'ipv4' : 'ipv6'
      lists[kind].addSubnet(base, Number(bits), kind)
    }
    fc.assert(
      fc.property(fc.oneof(anyV4, anyV6, anyGlobalV6), (address) => {
        const kind = isIPv4(address) ? 'ipv4' : 'ipv6'
        return rules.judge(address).allowed === !lists[kind].check(address, kind)
      }),
      { numRuns: 2_000 },
    )
  })

  it.each([
    [
      '1.1.1.1',
      '8.8.8.8',
      '9.255.255.255',
      '11.0.0.0',
      '100.63.255.255',
      '100.128.0.0',
      '126.255.255.255',
      '128.0.0.0',
    ],
    ['169.253.255.255', '169.255.0.0', '172.15.255.255', '172.32.0.0', '192.0.1.0', '192.167.255.255', '192.169.0.0'],
    [
      '198.17.255.255',
      '198.20.0.0',
      '223.255.255.255',
      '2001:200::1',
      '2003::1',
      '2606:4700::1111',
      '2a00:1450:4001::1',
    ],
  ])('allow public neighbours (%s …)', (...addresses) => {
    expect(addresses.map((address) => rules.judge(address))).toEqual(
      addresses.map(() => ({ allowed: true, own: false })),
    )
  })

  it.each(['', 'localhost', '127.1', '0x7f.0.0.1', '010.0.0.1', '1.1.1.1 ', '[::1]', '1.1.1'])(
    'refuse %j, which the system does not write',
    (text) => {
      expect(rules.judge(text)).toEqual({ allowed: false, kind: 'no IP address' })
    },
  )

  it('refuse a link-local address with its zone', () => {
    expect(rules.judge('fe80::1%lo')).toEqual({ allowed: false, kind: 'a link-local address' })
  })
})

describe('AddressRules with networks of the operator', () => {
  const own = new AddressRules({
    allowNets: ['10.0.0.0/8', '::1', 'fd00::/8', '0.0.0.0/0'],
    denyNets: ['10.9.0.0/16', '8.8.8.8'],
  })

  it('allow what lies in them', () => {
    for (const address of ['10.1.2.3', '::1', 'fd12::1', '127.0.0.1', '1.1.1.1']) {
      expect(own.judge(address)).toEqual({ allowed: true, own: true })
    }
    expect(own.judge('::2').allowed).toBe(false)
    expect(own.judge('::ffff:10.0.0.1').allowed).toBe(false)
    expect(own.judge('2606:4700::1111')).toEqual({ allowed: true, own: false })
  })

  it('refuse what was denied, allowed or not', () => {
    for (const address of ['10.9.1.1', '8.8.8.8']) {
      expect(own.judge(address)).toEqual({ allowed: false, kind: 'an address in a denied network' })
    }
  })

  it.each(['169.254.169.254', '100.100.100.200', '168.63.129.16', 'fd00:ec2::254'])(
    'allow the metadata address %s only by an entry of its own',
    (address) => {
      expect(own.judge(address)).toEqual({ allowed: false, kind: 'a cloud metadata address' })
      expect(rules.judge(address)).toEqual({ allowed: false, kind: 'a cloud metadata address' })
      const named = new AddressRules({ allowNets: [address], denyNets: [] })
      expect(named.judge(address)).toEqual({ allowed: true, own: true })
    },
  )

  it.each([
    '',
    '10',
    '10.0.0.0/33',
    '::/129',
    '010.0.0.0/8',
    '0x0a.0.0.0/8',
    '10.0.0.0/',
    '10.0.0.0/-1',
    'fe80::1%lo',
    'example.com',
  ])('are refused when they are none (%j)', (net) => {
    expect(() => new AddressRules({ allowNets: [net], denyNets: [] })).toThrow(
      `found ${JSON.stringify(net)}, expected a network such as 10.0.0.0/8 or an IP address`,
    )
  })
})
