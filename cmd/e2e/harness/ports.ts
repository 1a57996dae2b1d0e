import { randomInt } from 'node:crypto'
import { isFreePort } from '../../../internal/embedded/postgres/free-port.ts'

/**
 * `make test` runs the profiles side by side, so each has ports of its own: between the moment when a port is found free
 * and the moment when its engine listens, nobody else may take it. All of them lie below the range of `findFreePort`, from
 * which PostgreSQL takes its ports, and of what systems give to outgoing connections.
 */
const ranges = { embedded: [10_000, 14_999], services: [15_000, 19_999] } as const

/**
 * A TCP port of the loopback address that nobody listens on now.
 * @param settings of the engine or of its ground: they tell the profile.
 */
export async function findPort(settings: Readonly<Record<string, string | undefined>>): Promise<number> {
  const [min, max] = settings['EMBEDDED'] === '1' ? ranges.embedded : ranges.services
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(min, max + 1)
    if (await isFreePort(port)) return port
  }
  throw new Error(`no free TCP port between ${min} and ${max}`)
}
