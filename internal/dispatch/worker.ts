import { byChannel, type Channel, channels, priorities } from '../domain/notification.ts'
import { envelopeRefsMax } from '../domain/protocol.ts'
import type { Broker, Consumption, Envelope } from '../port/broker.ts'
import { ChannelWorker, type ChannelWorkerDeps, type ChannelWorkerSettings } from './channel-worker.ts'
import { makeStarts, type Starter } from './head-start.ts'
import type { Taker } from './shortcut.ts'

export interface Worker {
  readonly name: string
  start(): Promise<void>
  stop(): Promise<void>
  /** Notifications claimed and not settled, over all channels. */
  inFlight(): number
  take: Taker['take']
  reserve: Starter['reserve']
}

export interface WorkerSettings extends Omit<ChannelWorkerSettings, 'readyMax' | 'newOwner' | 'isUnpaced'> {
  /** Names this process in its leases. */
  readonly owner: string
  /** Channels that no limit holds back. */
  readonly unpaced: ReadonlySet<Channel>
}

/** Unacknowledged messages per lane: enough to fill every slot with messages of one reference, and a few to spare. */
export function prefetchFor(concurrency: number): number {
  return Math.ceil(concurrency * 1.2) + 1
}

/** The broker, and the queue inside the process that stands in for it. */
const waysIn = 2

/** Consumes every lane and hands deliveries to the worker of their channel. */
export function makeWorker(
  deps: ChannelWorkerDeps & { readonly broker: Pick<Broker, 'consume'> },
  given: WorkerSettings,
): Worker {
  const prefetch = prefetchFor(given.concurrency)
  let calls = 0
  const newOwner = () => `${given.owner}#${++calls}`
  const settings = { ...given, newOwner, readyMax: waysIn * priorities.length * prefetch * envelopeRefsMax }
  const workers = byChannel((channel) => {
    return new ChannelWorker(channel, deps, { ...settings, isUnpaced: given.unpaced.has(channel) })
  })
  const starts = makeStarts({ workers, clock: deps.clock, newOwner, leaseMs: given.leaseMs })
  let consumption: Consumption | null = null

  async function start(): Promise<void> {
    consumption ??= deps.broker.consume({
      channels,
      prefetch,
      onDelivery: (delivery) => workers[delivery.lane.channel].offer(delivery),
    })
  }

  async function stop(): Promise<void> {
    for (const channel of channels) workers[channel].quiesce()
    await Promise.all([consumption?.stop(), starts.ended()])
    await Promise.all(channels.map((channel) => workers[channel].stop()))
  }

  function take({ lane, refs }: Envelope, giveBack: (taken: Envelope) => void): number {
    const worker = workers[lane.channel]
    const count = consumption === null ? 0 : Math.min(refs.length, worker.room)
    if (count === 0) return 0
    const taken = { lane, refs: refs.slice(0, count) }
    worker.offer({ ...taken, ack: () => undefined, requeue: () => giveBack(taken) }, true)
    return count
  }

  return {
    name: 'worker',
    start,
    stop,
    take,
    reserve: (items) => (consumption === null ? null : starts.reserve(items)),
    inFlight: () => channels.reduce((sum, channel) => sum + workers[channel].inFlight, 0),
  }
}
