import fc from 'fast-check'
import type { AcceptInput } from '../../dispatch/accept.ts'
import { channels, priorities } from '../../domain/notification.ts'
import { Command } from './command.ts'
import type { World } from './world.ts'

const anyProcess = fc.nat(2)
const anyRow = fc.nat(1_000)

const seldom = (range: { readonly min: number; readonly max: number }) =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.integer(range) })

const anyItem = fc.record({
  channel: fc.constantFrom(...channels),
  priority: fc.constantFrom(...priorities),
  maxRetries: fc.constantFrom(1, 2, 3, 5),
  scheduledInMs: seldom({ min: -1_000, max: 60_000 }),
  expiresInMs: seldom({ min: 1_000, max: 90_000 }),
})

const request = fc
  .record({ at: anyProcess, items: fc.array(anyItem, { minLength: 1, maxLength: 8 }), keyed: fc.boolean() })
  .map(({ at, items, keyed }) => {
    const toInput = (world: World) =>
      items.map(({ scheduledInMs, expiresInMs, ...said }): AcceptInput => {
        const inMs = (ms: number | null) => (ms === null ? null : new Date(world.time.nowMs + ms))
        return {
          ...said,
          correlationId: 'c',
          recipient: 'r',
          content: 'x',
          title: null,
          html: null,
          data: null,
          provider: null,
          tags: [],
          metadata: null,
          idempotencyKey: keyed ? world.freshKey() : null,
          scheduledAt: inMs(scheduledInMs),
          expiresAt: inMs(expiresInMs),
        }
      })
    return new Command<World>(`${items.length} rows`, (world) => world.request(at, toInput(world)))
  })

const crash = fc
  .record({ at: anyProcess, hops: fc.integer({ min: 1, max: 60 }) })
  .map(({ at, hops }) => new Command<World>(`crash ${at} after ${hops}`, (world) => world.crash(at, hops)))
const start = fc.constant(new Command<World>('start', (world) => world.startProcess()))
const stop = anyProcess.map((at) => new Command<World>(`stop ${at}`, (world) => world.stop(at)))
const pause = fc
  .record({ at: anyProcess, ms: fc.constantFrom(5_000, 20_000, 31_000, 40_000, 70_000) })
  .map(({ at, ms }) => new Command<World>(`pause ${at} for ${ms}`, (world) => world.pause(at, ms)))
const outage = fc.integer({ min: 500, max: 45_000 })
const noDatabase = outage.map((ms) => new Command<World>(`no database for ${ms}`, (world) => world.loseDatabase(ms)))
const noBroker = outage.map((ms) => new Command<World>(`no broker for ${ms}`, (world) => world.loseBroker(ms)))
const cancel = fc
  .record({ at: anyProcess, row: anyRow })
  .map(({ at, row }) => new Command<World>('cancel', (world) => world.cancel(at, row)))
const replay = fc
  .record({ at: anyProcess, row: anyRow, force: fc.boolean() })
  .map(({ at, row, force }) => new Command<World>('replay', (world) => world.replay(at, row, force)))
const pass = fc
  .constantFrom(10, 300, 1_000, 5_000, 15_000, 30_000)
  .map((ms) => new Command<World>(`${ms} ms`, (world) => world.pass(ms)))

const settings = { maxCommands: 30, size: 'max' } as const

/** What clients and operators do, and what befalls processes and services. */
export const anyCourse = fc.commands(
  [
    request,
    request,
    request,
    crash,
    crash,
    start,
    start,
    stop,
    pause,
    noDatabase,
    noBroker,
    cancel,
    replay,
    pass,
    pass,
    pass,
  ],
  settings,
)

/** Nothing that can excuse a duplicate: graceful restarts, and a broker that does what it likes. */
export const faultlessCourse = fc.commands(
  [request, request, start, start, stop, noBroker, cancel, replay, pass, pass],
  settings,
)
