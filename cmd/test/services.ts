import { findPrograms } from '../../internal/testkit/services/find-programs.ts'
import {
  type ServiceName,
  serviceNames,
  startThrowaway,
  type Throwaway,
} from '../../internal/testkit/services/throwaway.ts'
import { type Finished, run } from './child.ts'

/** Settings through which tests learn where the servers are, and the Debian package of each server. */
const variables = { postgres: 'TEST_DATABASE_URL', redis: 'TEST_REDIS_URL', rabbitmq: 'TEST_RABBITMQ_URL' } as const
const packages = { postgres: 'postgresql', redis: 'redis-server', rabbitmq: 'rabbitmq-server' } as const
const titles = { postgres: 'PostgreSQL', redis: 'Redis', rabbitmq: 'RabbitMQ' } as const

const aptTimeoutMs = 10 * 60_000
const aptOptions = ['-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=2', '-o', 'Acquire::http::Timeout=30']

/** The servers for the tests cannot be had; the message is one sentence for the person at the terminal. */
export class NoServicesError extends Error {}

export interface Services {
  /** `TEST_…` variables for the tests. */
  readonly env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

/**
 * The servers the tests need: those the environment names, else throwaway ones from programs on this machine, else from
 * packages that are installed now.
 * @returns what opens them; it throws NoServicesError when that fails after all.
 * @throws NoServicesError at once when there is no way.
 */
export async function findServices(
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
  onStarted: (throwaway: Throwaway) => void,
): Promise<() => Promise<Services>> {
  const wanted = serviceNames.filter((name) => !env[variables[name]])
  if (wanted.length === 0) return () => Promise.resolve({ env: {}, stop: () => Promise.resolve() })
  const lacking = findLacking(wanted, env)
  if (lacking.length > 0 && !(await mayInstall(env))) throw lackingError(lacking)
  return async () => {
    if (lacking.length > 0) await install(lacking, env, say)
    return start(wanted, env, say, onStarted)
  }
}

async function start(
  wanted: readonly ServiceName[],
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
  onStarted: (throwaway: Throwaway) => void,
): Promise<Services> {
  const startedAtMs = performance.now()
  const throwaway = await startThrowaway(wanted, findPrograms(env['PATH'] ?? ''), onStarted).catch((error: unknown) => {
    throw new NoServicesError(error instanceof Error ? error.message : String(error), { cause: error })
  })
  say(`started ${listTitles(wanted)} on private ports (${seconds(startedAtMs)})`)
  const urls: Record<string, string> = {}
  for (const name of wanted) urls[variables[name]] = throwaway.urls[name] ?? ''
  return { env: urls, stop: () => throwaway.stop() }
}

function findLacking(wanted: readonly ServiceName[], env: NodeJS.ProcessEnv): ServiceName[] {
  const programs = findPrograms(env['PATH'] ?? '')
  return wanted.filter((name) => programs[name] === null)
}

function apt(env: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<Finished> {
  // RUNLEVEL=1: packages of a system without systemd must not start their servers on the usual ports.
  return run('apt-get', [...aptOptions, ...args], {
    env: { ...env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
    timeoutMs: aptTimeoutMs,
    output: 'collect',
  })
}

async function mayInstall(env: NodeJS.ProcessEnv): Promise<boolean> {
  return process.getuid?.() === 0 && (await apt(env, '--version')).exitCode === 0
}

async function install(
  lacking: readonly ServiceName[],
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<void> {
  const names = listTitles(lacking)
  const startedAtMs = performance.now()
  say(`installing ${names} with apt-get …`)
  const update = await apt(env, 'update', '-qq')
  const wanted = lacking.map((name) => packages[name])
  const added = await apt(env, 'install', '-y', '-qq', '--no-install-recommends', ...wanted)
  if (added.exitCode !== 0)
    throw new NoServicesError(`apt-get could not install ${names}:\n${update.output}${added.output}`)
  if (findLacking(lacking, env).length > 0) throw lackingError(lacking)
  say(`installed ${names} (${seconds(startedAtMs)})`)
}

function lackingError(lacking: readonly ServiceName[]): NoServicesError {
  const packageNames = lacking.map((name) => packages[name]).join(' ')
  const urls = lacking.map((name) => variables[name]).join(', ')
  return new NoServicesError(
    `The tests need ${listTitles(lacking)}: install it (on Debian, as root: apt-get install ${packageNames}) or name running servers in ${urls}.`,
  )
}

function listTitles(names: readonly ServiceName[]): string {
  return names.map((name) => titles[name]).join(', ')
}

export function seconds(sinceMs: number): string {
  return `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`
}
