import { randomUUID } from 'node:crypto'
import { type BucketGrant, type BucketRequest, bucketName, bucketRule } from '../port/bucket-limiter.ts'
import type { Bucket } from '../port/outlet.ts'

/** One send that asks. */
export interface Asking {
  readonly request: BucketRequest
  readonly resolve: (grant: BucketGrant) => void
}

/** Sends that need the same of the same buckets. */
interface Group {
  readonly request: BucketRequest
  /** Of their places among the sends under way; empty where none are counted. */
  readonly ids: string[]
  readonly asking: Asking[]
}

/** Several sends over one connection as one call of the script `takeBuckets`. */
export class BucketTakes {
  readonly keys: readonly string[]
  readonly args: readonly (string | number)[]
  readonly #groups: readonly Group[]

  /** @param keyOf a bucket's key, without the prefix of its connection. */
  constructor(asking: readonly Asking[], keyOf: (name: string) => string) {
    this.#groups = groupsOf(asking)
    this.keys = this.#groups.flatMap(({ request: { buckets, recipientKey } }) =>
      buckets.map((bucket, index) => keyOf(bucketName(bucket, index, recipientKey))),
    )
    this.args = this.#groups.flatMap(({ request, ids, asking: sends }) => [
      request.buckets.length,
      sends.length,
      ids.length,
      ...ids,
      ...request.buckets.flatMap((bucket) => wishOf(bucket, request)),
    ])
  }

  /** How many numbers the script answers. */
  get answers(): number {
    return this.#groups.length * 3
  }

  /** Tells everybody. @param answers of the script. */
  settle(answers: readonly number[]): void {
    for (const [at, { request, ids, asking }] of this.#groups.entries()) {
      const [granted = 0, waitUs = 0, slowest = 0] = answers.slice(at * 3)
      const refusal = refused(waitUs, request.buckets[slowest - 1])
      for (const [index, { resolve }] of asking.entries()) {
        const id = ids[index]
        const slot = id === undefined ? null : { connection: request.connection, id }
        resolve(index < granted ? { kind: 'granted', slot } : refusal)
      }
    }
  }
}

function groupsOf(all: readonly Asking[]): readonly Group[] {
  const found = new Map<readonly Bucket[], Map<string, Group>>()
  const groups: Group[] = []
  for (const asking of all) {
    const { request } = asking
    const { buckets, recipientKey, segments, holdMs } = request
    const alike = found.get(buckets) ?? new Map<string, Group>()
    found.set(buckets, alike)
    const key = `${recipientKey ?? ''} ${segments} ${holdMs}`
    const group = alike.get(key) ?? { request, ids: [], asking: [] }
    if (group.asking.length === 0) {
      alike.set(key, group)
      groups.push(group)
    }
    group.asking.push(asking)
    if (buckets.some(({ kind }) => kind === 'concurrency')) group.ids.push(randomUUID())
  }
  return groups
}

function wishOf(bucket: Bucket, { segments, holdMs }: BucketRequest): readonly (string | number)[] {
  if (bucket.kind === 'concurrency') return ['slots', bucket.limit, Math.ceil(holdMs), 0]
  const { intervalUs, burst } = bucketRule(bucket)
  return ['rate', intervalUs, burst, bucket.cost === 'segments' ? segments : 1]
}

function refused(waitUs: number, slowest: Bucket | undefined): BucketGrant {
  const scope = slowest?.kind === 'rate' ? slowest.scope : 'connection'
  return { kind: 'refused', waitMs: Math.max(1, Math.ceil(waitUs / 1_000)), scope, degraded: false }
}
