import { byChannel, channels, priorities } from '../domain/notification.ts'
import { envelopeRefsMax } from '../domain/protocol.ts'
import type { Broker, Consumption, Envelope } from '../port/broker.ts'
import { ChannelWorker, type ChannelWorkerDeps, type ChannelWorkerSettings } from './channel-worker.ts'
import type { Taker } from './shortcut.ts'

export interface Worker {
  readonly name: string
  start(): Promise<void>
  stop(): Promise<void>
  /** Notifications claimed and not settled, over all channels. */
  inFlight(): number
  take: Taker['take']
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
  given: Omit<ChannelWorkerSettings, 'readyMax'>,
): Worker {
  const prefetch = prefetchFor(given.concurrency)
  const settings = { ...given, readyMax: waysIn * priorities.length * prefetch * envelopeRefsMax }
  const workers = byChannel((channel) => new ChannelWorker(channel, deps, settings))
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
    await consumption?.stop()
    await Promise.all(channels.map((channel) => workers[channel].stop()))
  }

  function take({ lane, refs }: Envelope, giveBack: (taken: Envelope) => void): number {
    const worker = workers[lane.channel]
    const count = consumption === null ? 0 : Math.min(refs.length, worker.room)
    if (count === 0) return 0
    const taken = { lane, refs: refs.slice(0, count) }
    worker.offer({ ...taken, ack: () => undefined, requeue: () => giveBack(taken) })
    return count
  }

  return {
    name: 'worker',
    start,
    stop,
    take,
    inFlight: () => channels.reduce((sum, channel) => sum + workers[channel].inFlight, 0),
  }
}
