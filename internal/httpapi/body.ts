import { OverloadedError } from '../domain/errors.ts'
import type { Telemetry } from '../port/telemetry.ts'
import type { Ctx } from './context.ts'
import { quote } from './describe.ts'
import { guardJson, isParseable, type JsonLimits } from './json-guard.ts'
import { HttpProblem, invalidField } from './problem.ts'

export interface BodyLimits extends JsonLimits {
  readonly bytesMax: number
}

export const singleBodyLimits: BodyLimits = { bytesMax: 1024 * 1024, depthMax: 32, nodesMax: 10_000 }
export const batchBodyLimits: BodyLimits = { bytesMax: 10 * 1024 * 1024, depthMax: 32, nodesMax: 200_000 }

/**
 * Bodies declared no longer than this are read in one go and not counted against the budget: together they are bounded by
 * the requests that may be under way.
 */
const smallBodyBytes = 16 * 1024

/** Bounds the memory of large bodies under way. Bytes count as they arrive: a declared length costs nobody anything. */
export class BodyBudget {
  #bytes = 0
  readonly #bytesMax: number
  readonly #telemetry: Pick<Telemetry, 'bound' | 'refused'>

  /** @param bytesMax over all requests at once. */
  constructor(bytesMax: number, telemetry: Pick<Telemetry, 'bound' | 'refused'>) {
    this.#bytesMax = bytesMax
    this.#telemetry = telemetry
  }

  /** @throws OverloadedError when the bound is reached. */
  take(bytes: number): void {
    if (this.#bytes + bytes > this.#bytesMax) {
      this.#telemetry.refused('http_body_bytes', bytes)
      throw new OverloadedError('too many large bodies are under way')
    }
    this.#bytes += bytes
    this.#show()
  }

  give(bytes: number): void {
    this.#bytes -= bytes
    this.#show()
  }

  #show(): void {
    this.#telemetry.bound('http_body_bytes', { inUse: this.#bytes, limit: this.#bytesMax })
  }
}

/** @throws HttpProblem 400, 413 or 415; OverloadedError. */
export async function readJson(c: Ctx, limits: BodyLimits, budget: BodyBudget): Promise<unknown> {
  requireJsonType(c)
  return readBody(c, limits, budget, (bytes) => parseJson(bytes, limits))
}

/** As {@link readJson}, but a request without any body gives undefined. */
export async function readOptionalJson(c: Ctx, limits: BodyLimits, budget: BodyBudget): Promise<unknown> {
  return readBody(c, limits, budget, (bytes) => {
    if (bytes.byteLength === 0) return undefined
    requireJsonType(c)
    return parseJson(bytes, limits)
  })
}

function requireJsonType(c: Ctx): void {
  const encoding = c.req.header('content-encoding')?.trim().toLowerCase() ?? ''
  if (encoding !== '' && encoding !== 'identity') {
    throw new HttpProblem('unsupported_media_type', `Content-Encoding: expected none, found ${quote(encoding, 40)}`)
  }
  const header = c.req.header('content-type') ?? ''
  const [type = '', ...parameters] = header.toLowerCase().split(';')
  const isJson = /^application\/(json|[\w.!#$&^-]+\+json)$/.test(type.trim())
  const charset = parameters.map((one) => one.trim()).find((one) => one.startsWith('charset='))
  if (isJson && (charset === undefined || /^charset="?utf-?8"?$/.test(charset))) return
  const found = header === '' ? 'nothing' : quote(header, 80)
  throw new HttpProblem('unsupported_media_type', `Content-Type: expected application/json in UTF-8, found ${found}`)
}

/** The size is bounded before anything is parsed, chunked bodies included. */
async function readBody<T>(c: Ctx, limits: BodyLimits, budget: BodyBudget, use: (bytes: Uint8Array) => T): Promise<T> {
  const declared = c.req.header('content-length')
  const declaredBytes = declared === undefined ? null : Number(declared)
  if (declaredBytes !== null && declaredBytes > limits.bytesMax) throw tooLarge(limits)
  if (declaredBytes !== null && declaredBytes <= smallBodyBytes) {
    const bytes = new Uint8Array(await c.req.raw.arrayBuffer().catch(incomplete))
    if (bytes.byteLength > limits.bytesMax) throw tooLarge(limits)
    return use(bytes)
  }
  let taken = 0
  try {
    const bytes = await collect(c.req.raw.body, limits, (more) => {
      budget.take(more)
      taken += more
    })
    return use(bytes)
  } finally {
    budget.give(taken)
  }
}

async function collect(
  body: ReadableStream<Uint8Array> | null,
  limits: BodyLimits,
  onBytes: (bytes: number) => void,
): Promise<Uint8Array> {
  if (body === null) return new Uint8Array()
  const reader = body.getReader()
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(incomplete)
      if (done) return Buffer.concat(chunks, length)
      length += value.byteLength
      if (length > limits.bytesMax) throw tooLarge(limits)
      onBytes(value.byteLength)
      chunks.push(value)
    }
  } catch (error) {
    void reader.cancel().catch(() => undefined) // the rest of the body is nobody's business
    throw error
  }
}

function incomplete(): never {
  throw invalidField('body', 'incomplete', 'expected a complete body, found that the connection ended before')
}

function tooLarge(limits: BodyLimits): HttpProblem {
  return new HttpProblem('payload_too_large', `body: expected at most ${limits.bytesMax} bytes, found more`)
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function parseJson(bytes: Uint8Array, limits: BodyLimits): unknown {
  if (bytes.byteLength === 0) throw invalidField('body', 'empty', 'expected a JSON object, found an empty body')
  if (!isParseable(bytes, limits)) {
    const { depthMax, nodesMax } = limits
    throw invalidField(
      'body',
      'too_complex',
      `expected at most ${depthMax} levels and ${nodesMax} values, found far more`,
    )
  }
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    throw invalidField('body', 'invalid_utf8', 'expected UTF-8, found bytes that are not')
  }
  const value = parseText(text)
  const fault = guardJson(value, limits)
  if (fault !== null) throw new HttpProblem('invalid_request', fault.message, { errors: [fault] })
  return value
}

function parseText(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return value
  } catch (error) {
    // The engine's own message quotes the body; only the place is taken from it.
    const place = error instanceof Error ? /line \d+ column \d+/.exec(error.message)?.[0] : undefined
    const at = place === undefined ? '' : ` (at ${place})`
    throw invalidField('body', 'invalid_json', `expected JSON, found something else${at}`)
  }
}
