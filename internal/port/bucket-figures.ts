import type { ConnectionId } from '../domain/connection.ts'
import type { Bucket } from './outlet.ts'

/** What a provider told of its own limit in the headers of its answers. */
export interface LearntLimit {
  /** The provider's name of its bucket; null when it gave none. */
  readonly name: string | null
  readonly remaining: number | null
  /** Milliseconds from now; null when it did not say, or when the time is over. */
  readonly resetAfterMs: number | null
}

/** How full one bucket of a connection is, over all processes. */
export interface BucketFigures {
  readonly connection: ConnectionId
  /** As the connection's outlet declares it; null for what is known only from the provider: a limit or a wait. */
  readonly bucket: Bucket | null
  /**
   * Of a rate: how much of its burst is used up now. Of a concurrency: the sends under way. Null for a bucket per
   * recipient, of which there are as many as recipients, and without a bucket.
   */
  readonly inUse: number | null
  /** Milliseconds until the next message may go; 0 = now. Null for a bucket per recipient. */
  readonly nextInMs: number | null
  /** Null when the provider told nothing. */
  readonly learnt: LearntLimit | null
}

/** Asked by people, so it may cost a round trip; it takes nothing from any bucket. */
export interface BucketFiguresReader {
  /**
   * Every bucket of these connections, those that nobody has used yet included.
   * @throws DependencyUnavailableError when the shared counters cannot be reached.
   */
  findFigures(connectionIds: readonly ConnectionId[]): Promise<readonly BucketFigures[]>
}
