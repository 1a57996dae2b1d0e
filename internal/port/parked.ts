/** A broker message that nobody could read, set aside for a person to look at. It refers to no notification that we know. */
export interface ParkedMessage {
  /** Where it lay; null when that was not written down. */
  readonly queue: string | null
  /** Why nobody could read it; null when that was not written down. */
  readonly reason: string | null
  /** Its length when it came; what is kept of it may be shorter. */
  readonly bytes: number
  /** Its beginning as text, at most {@link parkedExcerptMax} characters. */
  readonly excerpt: string
}

export const parkedExcerptMax = 512
/** Most messages that one look shows, or one drop by count takes. */
export const parkedLimitMax = 100

export interface ParkedList {
  readonly total: number
  /** Oldest first. */
  readonly messages: readonly ParkedMessage[]
}

/**
 * Dropping loses nothing: what is accepted is in the database.
 * @throws DependencyUnavailableError from every method when the broker cannot be reached or does not answer in time.
 */
export interface ParkedMessages {
  /** Looks without taking. @param limit 1 to {@link parkedLimitMax}. */
  list(limit: number): Promise<ParkedList>
  /** Removes the oldest `count` (1 to {@link parkedLimitMax}), or all. Returns how many went. */
  drop(count: number | 'all'): Promise<number>
}
