import { chmod, chown, mkdir, mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { SystemUser } from '../../embedded/postgres/run-tool.ts'
import { canEnter, unprivilegedUser } from '../../embedded/postgres/system-user.ts'
import type { ControlledServer } from './controlled-server.ts'
import type { ServerPrograms } from './find-programs.ts'
import type { ServerPlace, ServerProcess } from './server-process.ts'
import { type Register, startPostgres, startRabbitMq, startRedis } from './servers.ts'

export const serviceNames = ['postgres', 'redis', 'rabbitmq'] as const
export type ServiceName = (typeof serviceNames)[number]

export interface Throwaway {
  /** URL of each server that was asked for. */
  readonly urls: Readonly<Partial<Record<ServiceName, string>>>
  /** The servers themselves, for tests that end them and start them again. */
  readonly servers: Readonly<Partial<Record<ServiceName, ControlledServer>>>
  /** Ends every server and removes the folder. Safe to call twice. */
  stop(): Promise<void>
  /** Kills every server without waiting; for an `exit` handler. */
  killNow(): void
}

/**
 * Starts the `wanted` servers on free ports of the loopback address, with data in a temporary folder: as root under an
 * unprivileged user, else as this user. Nothing of the machine's own servers is touched.
 * @param onStarted called before the first server starts, for handlers that must be able to stop a half-done start.
 * @throws Error when one does not start; those that did are stopped then.
 */
export async function startThrowaway(
  wanted: readonly ServiceName[],
  programs: ServerPrograms,
  onStarted: (throwaway: Throwaway) => void = () => undefined,
): Promise<Throwaway> {
  const user = unprivilegedUser()
  const base = await makeBase(user)
  const processes: ServerProcess[] = []
  const urls: Partial<Record<ServiceName, string>> = {}
  const servers: Partial<Record<ServiceName, ControlledServer>> = {}
  let stopping: Promise<void> | null = null
  const stop = async () => {
    await Promise.all(processes.map((server) => server.stop()))
    processes.length = 0 // their ids may belong to others from now on
    await rm(base, { recursive: true, force: true, maxRetries: 5 })
  }
  const throwaway: Throwaway = {
    urls,
    servers,
    stop: () => (stopping ??= stop()),
    killNow: () => processes.forEach((server) => server.killNow()),
  }
  onStarted(throwaway)
  const register = (server: ServerProcess) => {
    processes.push(server)
    if (stopping !== null) server.killNow() // started by a start that was overtaken by stop
  }
  try {
    const starts = wanted.map(async (name) => {
      const server = await start(name, await makePlace(base, name, user), programs, register)
      servers[name] = server
      urls[name] = server.url
    })
    for (const result of await Promise.allSettled(starts)) if (result.status === 'rejected') throw result.reason
    return throwaway
  } catch (error) {
    await throwaway.stop()
    throw error
  }
}

function start(
  name: ServiceName,
  place: ServerPlace,
  programs: ServerPrograms,
  register: Register,
): Promise<ControlledServer> {
  if (name === 'postgres' && programs.postgres !== null) return startPostgres(place, programs.postgres, register)
  if (name === 'redis' && programs.redis !== null) return startRedis(place, programs.redis, register)
  if (name === 'rabbitmq' && programs.rabbitmq !== null) return startRabbitMq(place, programs.rabbitmq, register)
  throw new Error(`${name} is not installed on this machine`)
}

/** In the first temporary folder that the servers' user can reach; TMPDIR may lie in a private home. */
async function makeBase(user: SystemUser | null): Promise<string> {
  for (const parent of [os.tmpdir(), '/tmp', '/var/tmp']) {
    if (!(await canEnter(parent, user))) continue
    const base = await mkdtemp(path.join(parent, 'dispatch-services-'))
    await chmod(base, 0o755)
    return base
  }
  throw new Error(`the user ${user?.name ?? os.userInfo().username} can enter no temporary folder`)
}

async function makePlace(base: string, name: ServiceName, user: SystemUser | null): Promise<ServerPlace> {
  const folder = path.join(base, name)
  await mkdir(folder, { mode: 0o755 })
  if (user !== null) await chown(folder, user.uid, user.gid)
  return { folder, user }
}
