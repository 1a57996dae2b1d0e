import type { Random } from '../../../internal/testkit/random.ts'
import type { TcpProxy } from '../../../internal/testkit/tcp-proxy.ts'
import type { LinkName } from '../replica.ts'
import { type Fault, servicesOnly } from './fault.ts'

type Weather = readonly [name: string, about: string, holdMs: number, change: (proxy: TcpProxy, random: Random) => void]

const weathers: readonly Weather[] = [
  ['frozen', 'no byte passes, nobody is told', 6_000, (proxy) => proxy.freeze()],
  ['black-holed', 'every byte is swallowed', 6_000, (proxy) => proxy.blackhole()],
  ['reset', 'every connection is reset, new ones too', 4_000, (proxy) => proxy.close()],
  ['slow', 'every byte takes 150 ms longer', 5_000, (proxy) => proxy.delay(150)],
  ['narrow', 'not more than 20 kB/s pass', 5_000, (proxy) => proxy.throttle(20_000)],
  ['half-closed', 'the far side says that it is done', 2_000, (proxy) => proxy.halfClose()],
  [
    'cut',
    'connections end in the middle of a frame',
    4_000,
    (proxy, random) => proxy.cutAfter(random.between(50, 5_000)),
  ],
]

const names = ['postgres', 'rabbitmq', 'redis', 'target'] as const

function fault(link: LinkName, [name, about, holdMs, change]: Weather): Fault {
  return {
    name: `link-${link}-${name}`,
    group: 'links',
    about: `engine → ${link}: ${about}`,
    ...(link !== 'target' && { profiles: servicesOnly }),
    disturbs: [link],
    holdMs,
    async inject(world, random) {
      for (const proxy of world.links(link)) change(proxy, random)
      return async () => {
        for (const proxy of world.links(link)) proxy.pass()
      }
    },
  }
}

/** One engine loses one dependency; the others have everything. */
function cutOff(link: LinkName): Fault {
  return {
    name: `one-replica-without-${link}`,
    group: 'replicas',
    about: `one of several engines cannot reach ${link}`,
    profiles: servicesOnly,
    replicasMin: 2,
    holdMs: 8_000,
    async inject(world, random) {
      const replica = random.pick(world.replicas)
      const over = world.evidence.disturb(link, `cut off from ${link}`, replica.pid)
      const proxies = replica.links[link] ?? []
      for (const proxy of proxies) proxy.freeze()
      return async () => {
        for (const proxy of proxies) proxy.pass()
        over()
      }
    },
  }
}

export const linkFaults: readonly Fault[] = names.flatMap((link) => weathers.map((weather) => fault(link, weather)))
export const cutOffFaults: readonly Fault[] = names.map(cutOff)
