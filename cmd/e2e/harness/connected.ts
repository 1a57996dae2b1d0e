import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll } from 'vitest'
import type { SimulatedProvider } from '../../../internal/testkit/simulators/simulated-http.ts'
import type { Client, Resource } from './client.ts'
import { Endpoint } from './endpoint.ts'
import type { Settings } from './engine.ts'
import type { Profile } from './ground.ts'
import { Internet } from './internet.ts'
import { Operator } from './operator.ts'
import { untilFound, untilStatus } from './requests.ts'
import { useWorld, type World } from './world.ts'

export interface ConnectedOptions {
  readonly settings?: Settings
  /** Engines on the same ground; default 1. */
  readonly processes?: number
  readonly providers?: () => readonly SimulatedProvider[]
  /** Makes what settings point to, and gives these. */
  readonly prepare?: () => Promise<Settings>
}

type Fields = Readonly<Record<string, unknown>>

/** Engines that keep connections, with the providers that these lead to. */
export class Connected {
  readonly world: World
  #internet: Internet | null = null

  constructor(world: World) {
    this.world = world
  }

  async open({ processes = 1, providers, prepare }: ConnectedOptions): Promise<void> {
    this.#internet = await Internet.open(providers?.())
    const ENCRYPTION_KEY = randomBytes(32).toString('base64')
    const settings = { ENCRYPTION_KEY, ...this.internet.settings, ...(await prepare?.()) }
    for (let number = 1; number <= processes; number++) await this.world.prepareEngine(settings)
    await Promise.all(this.world.engines.map((engine) => engine.start()))
  }

  async close(): Promise<void> {
    await this.#internet?.close()
  }

  get internet(): Internet {
    if (this.#internet === null) throw new Error('the internet is not open: use it inside of tests')
    return this.#internet
  }

  /** Of the first engine. */
  get client(): Client {
    return this.world.client
  }

  get operator(): Operator {
    return new Operator(this.client)
  }

  /** An endpoint and a connection to it, both under this name, that every process knows. */
  async endpoint(name: string): Promise<Endpoint> {
    const end = this.internet.add(new Endpoint(name))
    await this.operator.connectTo(name, end)
    await this.untilEverybodyKnows()
    return end
  }

  /** A route of the channel's notifications with this tag, one connection a tier, that every process knows. */
  async route(channel: string, tag: string, tiers: readonly string[], tryTimeoutMs?: number): Promise<void> {
    await this.operator.route(channel, tag, tiers, tryTimeoutMs)
    await this.untilEverybodyKnows()
  }

  /** Two endpoints, `<name>-1` and `<name>-2`, and the route to them of webhooks with the name as tag. */
  async twoTiers(name: string): Promise<readonly [Endpoint, Endpoint]> {
    const ends = [await this.endpoint(`${name}-1`), await this.endpoint(`${name}-2`)] as const
    await this.route('WEBHOOK', name, [`${name}-1`, `${name}-2`])
    return ends
  }

  /** @returns the id of a new notification, by default a webhook. */
  async send(fields: Fields, client = this.client): Promise<string> {
    return (await client.create({ channel: 'WEBHOOK', recipient: 'customer-7', content: 'Hello', ...fields })).id
  }

  async sent(fields: Fields, client = this.client): Promise<Resource> {
    return untilStatus(client, await this.send(fields, client), 'SENT', 20_000)
  }

  async failed(fields: Fields): Promise<Resource> {
    return untilStatus(this.client, await this.send(fields), 'FAILED', 20_000)
  }

  /** As soon as it has ended. */
  firstAttempt(id: string): Promise<NonNullable<Resource['attempts']>[number]> {
    return untilFound('an attempt', async () => (await this.client.get(id)).attempts?.[0] ?? null)
  }

  /** Notifications that ended as FAILED for this reason, over all processes. */
  async failedCount(reason: string): Promise<number> {
    const figures = await Promise.all(this.world.engines.map(({ client }) => client.figures()))
    return figures.reduce((sum, one) => sum + one.sum('notifications_failed_total', { reason }), 0)
  }

  /** A process that is asked looks at what there is now; unasked it would do so within two seconds. */
  async untilEverybodyKnows(): Promise<void> {
    await Promise.all(this.world.engines.map(({ client }) => new Operator(client).connections()))
  }
}

/** For the tests of this `describe`: see {@link useWorld}. */
export function useConnected(profile: Profile, options: ConnectedOptions = {}): Connected {
  afterAll(() => connected.close()) // after the engines: last in, first out
  const { settings = {} } = options
  const connected = new Connected(useWorld(profile, { settings, engines: [] }))
  beforeAll(() => connected.open(options))
  return connected
}

/** From each attempt to the time of the next one, for all that were followed by another. */
export function waitsMs({ attempts = [] }: Resource): readonly number[] {
  return attempts
    .filter(({ nextRetryAt }) => nextRetryAt !== undefined)
    .map(({ nextRetryAt = '', finishedAt }) => Date.parse(nextRetryAt) - Date.parse(finishedAt))
}
