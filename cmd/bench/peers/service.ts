import { once } from 'node:events'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { v7 } from 'uuid'
import { z } from 'zod'
import { makeDeliver } from '../deliver.ts'
import { obey } from '../remote.ts'
import { openBullMq } from './bullmq.ts'
import { openGraphileWorker } from './graphile-worker.ts'
import type { OpenPeer, Peer } from './peer.ts'
import { openPgBoss } from './pg-boss.ts'

/** One peer behind the routes of the engine, with the same checks of the body and the same answer. */

const peers: Readonly<Record<string, OpenPeer>> = {
  bullmq: openBullMq,
  'pg-boss': openPgBoss,
  'graphile-worker': openGraphileWorker,
}

const opening = z.object({
  name: z.string(),
  databaseUrl: z.string(),
  redisUrl: z.string(),
  sinkUrl: z.string(),
  concurrency: z.number(),
})

const item = z.object({
  channel: z.enum(['SMS', 'EMAIL', 'PUSH']),
  recipient: z.string().min(1).max(320),
  content: z.string().min(1).max(10_000),
})
const batch = z.object({ notifications: z.array(item).min(1).max(1_000) })

function stored(fields: z.infer<typeof item>) {
  return { id: v7(), ...fields, status: 'QUEUED', attemptCount: 0, maxRetries: 5, createdAt: new Date().toISOString() }
}

function routes(peer: Peer): Hono {
  const app = new Hono()
  app.post('/v1/notifications', async (c) => {
    const one = stored(item.parse(await c.req.json()))
    await peer.add(one)
    return c.json(one, 202)
  })
  app.post('/v1/notifications/batch', async (c) => {
    const all = batch.parse(await c.req.json()).notifications.map(stored)
    await peer.addMany(all)
    return c.json({ batchId: v7(), totalCount: all.length, notifications: all }, 202)
  })
  return app
}

let peer: Peer | null = null

obey(
  {
    async open(input) {
      const { name, sinkUrl, ...options } = opening.parse(input)
      const open = peers[name]
      if (open === undefined) throw new Error(`no peer "${name}"`)
      peer = await open({ ...options, deliver: makeDeliver(sinkUrl, options.concurrency) })
      const server = serve({ fetch: routes(peer).fetch, port: 0, hostname: '127.0.0.1' })
      await once(server, 'listening')
      const address = server.address()
      return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
    },
    unfinished: () => peer?.unfinished(),
  },
  async () => peer?.close(),
)
