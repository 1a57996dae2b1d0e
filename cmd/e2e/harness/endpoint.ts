import { randomBytes } from 'node:crypto'
import {
  peekJson,
  type SimulatedAnswer,
  type SimulatedProvider,
  type SimulatedRequest,
} from '../../../internal/testkit/simulators/simulated-http.ts'

export interface Arrival {
  /** On the monotonic clock of the endpoint, once the request was read whole. */
  readonly atMs: number
  readonly request: SimulatedRequest
}

/** @param nth counts the endpoint's requests from 1. */
type Play = (nth: number, request: SimulatedRequest) => SimulatedAnswer | Promise<SimulatedAnswer>

const taken: SimulatedAnswer = { status: 200 }

/** A webhook endpoint of a test's own: answers as it is told and keeps what came. By itself it takes everything. */
export class Endpoint implements SimulatedProvider {
  readonly name: string
  readonly hosts: readonly string[]
  readonly arrivals: Arrival[] = []
  #play: Play = () => taken

  /** @param name of letters, digits and dashes; no other endpoint of the same internet has it. */
  constructor(name: string, play?: Play) {
    this.name = name
    this.hosts = [`${name}.example.com`]
    if (play !== undefined) this.#play = play
  }

  get url(): string {
    return `https://${this.name}.example.com/`
  }

  play(next: Play): void {
    this.#play = next
  }

  recipientOf(request: SimulatedRequest): string | null {
    return peekJson(request, 'data', 'to')
  }

  answer(request: SimulatedRequest): SimulatedAnswer | Promise<SimulatedAnswer> {
    this.arrivals.push({ atMs: performance.now(), request })
    return this.#play(this.arrivals.length, request)
  }

  /** The `webhook-id` of every request, in order. */
  get ids(): readonly string[] {
    return this.arrivals.map(({ request }) => String(request.headers['webhook-id'] ?? ''))
  }
}

/** A signing secret as Standard Webhooks wants it. */
export function freshSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`
}
