import { expect } from 'vitest'
import type { z } from 'zod'
import {
  connectionListSchema,
  connectionSchema,
  connectorListSchema,
  rateLimitListSchema,
} from '../../../internal/httpapi/connection-answers.ts'
import type { Answer, Client } from './client.ts'
import { type Endpoint, freshSecret } from './endpoint.ts'

export type ConnectionAnswer = z.infer<typeof connectionSchema>
export type RateLimits = z.infer<typeof rateLimitListSchema>['data']
type ConnectorList = z.infer<typeof connectorListSchema>
type Config = Readonly<Record<string, unknown>>

/** Whoever sets up connections and routes over the API of one engine. */
export class Operator {
  readonly #client: Client

  constructor(client: Client) {
    this.#client = client
  }

  async connect(id: string, connector: string, config: Config): Promise<ConnectionAnswer> {
    const answer = await this.#client.post('/v1/connections', { id, connector, config })
    return connectionSchema.parse(answered(answer, 201))
  }

  /** A connection of the shipped webhook connector, with a secret of its own. */
  async connectTo(id: string, { url }: Pick<Endpoint, 'url'>): Promise<ConnectionAnswer> {
    return this.connect(id, 'webhook@1', { url, secrets: [freshSecret()] })
  }

  async change(id: string, body: unknown): Promise<ConnectionAnswer> {
    return connectionSchema.parse(answered(await this.#put(`/v1/connections/${id}`, body), 200))
  }

  async connection(id: string): Promise<ConnectionAnswer> {
    return connectionSchema.parse(await this.#read(`/v1/connections/${id}`))
  }

  async connections(): Promise<readonly ConnectionAnswer[]> {
    return connectionListSchema.parse(await this.#read('/v1/connections')).data
  }

  async resume(id: string): Promise<ConnectionAnswer> {
    return connectionSchema.parse(answered(await this.#client.send('POST', `/v1/connections/${id}/resume`), 200))
  }

  /** A route of the channel's notifications with this tag, one connection a tier. */
  async route(channel: string, tag: string, names: readonly string[], tryTimeoutMs?: number): Promise<void> {
    const tiers = names.map((connection) => ({ connections: [{ connection }] }))
    answered(await this.#put(`/v1/routes/${channel}?tag=${tag}`, { tiers, tryTimeoutMs }), 200)
  }

  async connectors(): Promise<ConnectorList> {
    return connectorListSchema.parse(await this.#read('/v1/connectors'))
  }

  async rateLimitsOf(connection: string): Promise<RateLimits> {
    const { data } = rateLimitListSchema.parse(await this.#read('/v1/rate-limits'))
    return data.filter((one) => one.connection === connection)
  }

  #put(path: string, body: unknown): Promise<Answer> {
    return this.#client.send('PUT', path, { 'content-type': 'application/json' }, JSON.stringify(body))
  }

  async #read(path: string): Promise<unknown> {
    return answered(await this.#client.send('GET', path), 200)
  }
}

function answered(answer: Answer, expected: number): unknown {
  const { status, text } = answer
  expect({ status, text }).toMatchObject({ status: expected })
  return answer.json
}
