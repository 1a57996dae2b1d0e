import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { clusterUrl } from '../../internal/embedded/postgres/cluster.ts'
import { findPostmaster, stopPostmaster } from '../../internal/embedded/postgres/postmaster.ts'
import { systemClock } from '../../internal/lifecycle/system-clock.ts'
import type { ControlledServer } from '../../internal/testkit/services/controlled-server.ts'
import { findPrograms } from '../../internal/testkit/services/find-programs.ts'
import { serviceNames, startThrowaway, type Throwaway } from '../../internal/testkit/services/throwaway.ts'
import { TcpProxy } from '../../internal/testkit/tcp-proxy.ts'
import type { Settings } from '../e2e/harness/engine.ts'
import { makeFolders, type ProfileName, removeFolder } from '../e2e/harness/ground.ts'
import type { Addresses } from './providers/targets.ts'
import type { Links } from './replica.ts'

export type { ProfileName } from '../e2e/harness/ground.ts'

export interface Servers {
  readonly postgres: ControlledServer
  readonly rabbitmq: ControlledServer
  readonly redis: ControlledServer
}

/** What the engines of a campaign stand on. */
export interface Ground {
  readonly profile: ProfileName
  /** An empty folder, for engines to run in. */
  readonly folder: string
  readonly schema: string
  /** Null when they are built in. */
  readonly servers: Servers | null
  /** Links for one more engine, and the settings that send it through them. */
  link(targets: Addresses): Promise<{ readonly links: Links; readonly settings: Settings }>
  /** Process id of PostgreSQL. @throws Error while a built-in one does not run. */
  postmaster(): Promise<number>
  /** Past every link. @throws Error while a built-in database does not run. */
  databaseUrl(): Promise<string>
  close(): Promise<void>
}

const schema = 'chaos'

/** @param throwaway servers to use instead of starting some; they are left running. */
export async function openGround(profile: ProfileName): Promise<Ground> {
  return profile === 'embedded' ? openEmbedded() : openServices()
}

async function openServices(): Promise<Ground> {
  const { base, folder } = await makeFolders()
  const killNow = (throwaway: Throwaway) => process.once('exit', () => throwaway.killNow())
  const throwaway = await startThrowaway(serviceNames, findPrograms(process.env['PATH'] ?? ''), killNow)
  const { postgres, rabbitmq, redis } = throwaway.servers
  if (postgres === undefined || rabbitmq === undefined || redis === undefined) throw new Error('a server is missing')
  const urls = { postgres: postgres.url, rabbitmq: rabbitmq.url, redis: redis.url }
  const linked = new Linked()
  return {
    profile: 'services',
    folder,
    schema,
    servers: { postgres, rabbitmq, redis },
    async link(targets) {
      const [postgresLink, rabbitmqLink, redisLink, { proxies, settings }] = await Promise.all([
        linked.open(urls.postgres),
        linked.open(urls.rabbitmq),
        linked.open(urls.redis),
        linked.openTargets(targets),
      ])
      return {
        links: {
          postgres: [postgresLink.proxy],
          rabbitmq: [rabbitmqLink.proxy],
          redis: [redisLink.proxy],
          target: proxies,
        },
        settings: {
          DATABASE_URL: postgresLink.through,
          DB_SCHEMA: schema,
          RABBITMQ_URL: rabbitmqLink.through,
          REDIS_URL: redisLink.through,
          ...settings,
        },
      }
    },
    postmaster: () => Promise.resolve(postgres.pid),
    databaseUrl: () => Promise.resolve(postgres.url),
    async close() {
      await linked.close()
      await throwaway.stop()
      await removeFolder(base)
    },
  }
}

async function openEmbedded(): Promise<Ground> {
  const { base, folder } = await makeFolders()
  const dataDir = path.join(base, 'data')
  const linked = new Linked()
  const running = async () => {
    const postmaster = await findPostmaster(path.join(dataDir, 'data'))
    if (postmaster === null) throw new Error('the built-in PostgreSQL does not run')
    return postmaster
  }
  return {
    profile: 'embedded',
    folder,
    schema,
    servers: null,
    async link(targets) {
      const { proxies, settings } = await linked.openTargets(targets)
      return {
        links: { target: proxies },
        settings: { EMBEDDED: '1', DATA_DIR: dataDir, DB_SCHEMA: schema, ...settings },
      }
    },
    postmaster: () => running().then(({ pid }) => pid),
    async databaseUrl() {
      const { port } = await running()
      const password = await readFile(path.join(dataDir, 'password'), 'utf8')
      return clusterUrl(port, password.trim())
    },
    async close() {
      await linked.close()
      // A campaign may end with a killed engine, whose PostgreSQL waits to be taken over.
      const postmaster = await findPostmaster(path.join(dataDir, 'data'))
      if (postmaster !== null) await stopPostmaster(postmaster.pid, systemClock)
      await removeFolder(base)
    },
  }
}

/** Keeps all proxies, to end them together. */
class Linked {
  readonly #proxies: TcpProxy[] = []

  /** @returns the way to `url`, and what to call instead. */
  async open(url: string): Promise<{ readonly proxy: TcpProxy; readonly through: string }> {
    const address = new URL(url)
    const proxy = await TcpProxy.start({ host: address.hostname, port: Number(address.port) })
    this.#proxies.push(proxy)
    address.port = String(proxy.port)
    return { proxy, through: address.href }
  }

  async openTargets({ plain, providers, mail }: Addresses) {
    const toPlain = await this.open(plain)
    const settings = { WEBHOOK_SITE_URL: toPlain.through }
    if (providers === null || mail === null) return { proxies: [toPlain.proxy], settings }
    const [toProviders, toMail] = await Promise.all([this.open(providers), this.open(mail)])
    return {
      proxies: [toPlain.proxy, toProviders.proxy, toMail.proxy],
      settings: {
        ...settings,
        CHAOS_PROVIDERS: new URL(toProviders.through).origin,
        CHAOS_MAIL_PORT: String(toMail.proxy.port),
      },
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#proxies.map((proxy) => proxy.stop()))
  }
}
