import type { z } from '@hono/zod-openapi'
import {
  acceptedBatchSchema,
  acceptedSchema,
  batchViewSchema,
  listAnswerSchema,
  notificationWithAttemptsSchema,
  problemSchema,
} from '../../../internal/httpapi/response-schemas.ts'
import { Figures } from './figures.ts'

export type Accepted = z.infer<typeof acceptedSchema>
export type AcceptedBatch = z.infer<typeof acceptedBatchSchema>
export type Resource = z.infer<typeof notificationWithAttemptsSchema>
export type BatchView = z.infer<typeof batchViewSchema>
export type Problem = z.infer<typeof problemSchema>
export type Page = z.infer<typeof listAnswerSchema>
type Headers = Readonly<Record<string, string>>

export interface Answer {
  readonly status: number
  header(name: string): string | null
  readonly text: string
  readonly json: unknown
}

export interface NewItem {
  readonly channel: string
  readonly recipient: string
  readonly content: string
  readonly [field: string]: unknown
}

const answerWithinMs = 20_000
const json = { 'content-type': 'application/json' }

/** Speaks HTTP to one engine. Answers of the API are held against the schemas that it publishes. */
export class Client {
  readonly #url: string
  readonly #auth: Headers

  constructor(url: string, apiKey: string | null) {
    this.#url = url
    this.#auth = apiKey === null ? {} : { 'x-api-key': apiKey }
  }

  /** Sends anything; `headers` are added to the key only. Never throws for a status. */
  async send(method: string, path: string, headers: Headers = {}, body?: string | Uint8Array): Promise<Answer> {
    const response = await fetch(this.#url + path, {
      method,
      headers: { ...this.#auth, ...headers },
      signal: AbortSignal.timeout(answerWithinMs),
      redirect: 'manual',
      ...(body !== undefined && { body: typeof body === 'string' ? body : new Uint8Array(body) }),
    })
    const text = await response.text()
    return {
      status: response.status,
      header: (name) => response.headers.get(name),
      text,
      get json() {
        return parseJson(text)
      },
    }
  }

  post(path: string, body: unknown, headers: Headers = {}): Promise<Answer> {
    return this.send('POST', path, { ...json, ...headers }, JSON.stringify(body))
  }

  async create(item: NewItem, headers: Headers = {}): Promise<Accepted> {
    return acceptedSchema.parse(expectStatus(await this.post('/v1/notifications', item, headers), 202).json)
  }

  async createBatch(items: readonly NewItem[]): Promise<AcceptedBatch> {
    const answer = await this.post('/v1/notifications/batch', { notifications: items })
    return acceptedBatchSchema.parse(expectStatus(answer, 202).json)
  }

  /** With its attempts. */
  async get(id: string): Promise<Resource> {
    return notificationWithAttemptsSchema.parse(await this.#read(`/v1/notifications/${id}?include=attempts`))
  }

  async getBatch(id: string): Promise<BatchView> {
    return batchViewSchema.parse(await this.#read(`/v1/batches/${id}`))
  }

  async list(query: Readonly<Record<string, string>>): Promise<Page> {
    const search = new URLSearchParams(query)
    return listAnswerSchema.parse(await this.#read(`/v1/notifications?${search.toString()}`))
  }

  /** How many notifications a filter finds. */
  async total(query: Readonly<Record<string, string>> = {}): Promise<number> {
    const { meta } = await this.list({ ...query, pageSize: '1' })
    return 'total' in meta ? (meta.total ?? Number.NaN) : Number.NaN
  }

  cancel(id: string): Promise<Answer> {
    return this.send('POST', `/v1/notifications/${id}/cancel`)
  }

  replay(id: string, body: unknown = {}): Promise<Answer> {
    return this.post(`/v1/notifications/${id}/replay`, body)
  }

  async figures(): Promise<Figures> {
    return new Figures(expectStatus(await this.send('GET', '/metrics'), 200).text)
  }

  async #read(path: string): Promise<unknown> {
    return expectStatus(await this.send('GET', path), 200).json
  }
}

/** The error body of an answer. @throws when it is not the documented one. */
export function problemOf(answer: Answer): Problem {
  const type = answer.header('content-type') ?? ''
  if (!type.startsWith('application/problem+json')) throw new Error(`expected a problem, found ${type}: ${answer.text}`)
  return problemSchema.parse(answer.json)
}

function expectStatus(answer: Answer, status: number): Answer {
  if (answer.status === status) return answer
  throw new Error(`expected status ${status}, found ${answer.status}: ${answer.text.slice(0, 1_000)}`)
}

function parseJson(text: string): unknown {
  return JSON.parse(text)
}
