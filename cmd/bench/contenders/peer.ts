import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { Remote } from '../remote.ts'
import type { Contender, OpenOptions, Running } from './contender.ts'

export const peerNames = ['bullmq', 'pg-boss', 'graphile-worker'] as const
export type PeerName = (typeof peerNames)[number]

const folder = path.join(import.meta.dirname, '..', 'peers')
const installWithinMs = 300_000

/** What a user would build instead: a queue library behind the same routes, with the same send. */
export function peerContender(name: PeerName): Contender {
  return {
    name,
    kind: 'peer',
    async open({ ground, sink, concurrency }: OpenOptions): Promise<Running> {
      const remote = new Remote(name, path.join(folder, 'service.ts'))
      const { postgres: databaseUrl, redis: redisUrl } = ground.urls
      try {
        const url = await remote.call(
          'open',
          { name, databaseUrl, redisUrl, sinkUrl: sink.url, concurrency },
          z.string(),
        )
        return {
          urls: [url],
          pids: [remote.pid],
          unfinished: () => remote.call('unfinished', null, z.number()),
          stop: () => remote.stop(),
        }
      } catch (error) {
        await remote.stop()
        throw error
      }
    },
  }
}

const manifest = z.object({ dependencies: z.record(z.string(), z.string()) })
const installed = z.object({ version: z.string() })

/**
 * Puts the peers' packages in place, exactly those of their lock file, unless they are there already.
 * @returns the version of each library. @throws Error when npm cannot install them.
 */
export function installPeers(say: (line: string) => void): Readonly<Record<string, string>> {
  const { dependencies } = manifest.parse(readJson(path.join(folder, 'package.json')))
  const wanted = Object.entries(dependencies)
  if (!wanted.every(([name, version]) => installedVersion(name) === version)) {
    say('installing the peers: npm ci in cmd/bench/peers')
    execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: installWithinMs,
    })
  }
  return Object.fromEntries(peerNames.map((name) => [name, dependencies[name] ?? '?']))
}

function installedVersion(name: string): string | null {
  const file = path.join(folder, 'node_modules', name, 'package.json')
  return existsSync(file) ? installed.parse(readJson(file)).version : null
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'))
}
