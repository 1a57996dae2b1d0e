import { randomBytes } from 'node:crypto'
import type { Settings } from '../../e2e/harness/engine.ts'
import { type Sink, type SinkOptions, startSink } from '../../sink/server.ts'
import { writeConnections } from './files.ts'
import { Providers } from './providers.ts'
import { Relay } from './relay.ts'

/** Where engines send to, as URLs. */
export interface Addresses {
  readonly plain: string
  readonly providers: string | null
  readonly mail: string | null
}

/** Everything that engines send to: the sink, and before it what connections lead to. */
export class Targets {
  readonly sink: Sink
  /** Null when nothing goes over connections. */
  readonly providers: Providers | null
  /** Of the engines. */
  encryptionKey = randomBytes(32).toString('base64')
  readonly #relay: Relay | null
  readonly #secret: string

  private constructor(sink: Sink, providers: Providers | null, relay: Relay | null, secret: string) {
    this.sink = sink
    this.providers = providers
    this.#relay = relay
    this.#secret = secret
  }

  static async start(sinkOptions: SinkOptions, isVia: boolean, onWrong: (text: string) => void): Promise<Targets> {
    const sink = await startSink(sinkOptions)
    const secret = newSigningSecret()
    if (!isVia) return new Targets(sink, null, null, secret)
    const providers = await Providers.start({ sinkUrl: sink.url, onWrong }, secret)
    return new Targets(sink, providers, await Relay.start(providers), secret)
  }

  get addresses(): Addresses {
    const mail = this.#relay === null ? null : `smtp://127.0.0.1:${this.#relay.port}`
    return { plain: this.sink.url, providers: this.providers?.url ?? null, mail }
  }

  /** What webhook connections sign with. */
  get signingSecret(): string {
    return this.#secret
  }

  /** What every engine needs for its connections. @param folder for their files. */
  settings(folder: string): Settings {
    if (this.providers === null) return {}
    return {
      ...writeConnections(folder),
      CHAOS_SIGNING_SECRET: this.#secret,
      ENCRYPTION_KEY: this.encryptionKey,
      ALLOW_NETS: '127.0.0.0/8',
      EGRESS_PORTS: '1-65535',
    }
  }

  async close(): Promise<void> {
    await this.#relay?.close()
    await this.providers?.close()
    await this.sink.close()
  }
}

export function newSigningSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`
}
