/** Numbers of the dispatch protocol that several parts must agree on (docs/ARCHITECTURE.md, "The protocol"). */

/**
 * A row just published is looked at again after this time; broker copies live no longer than it, so copies cannot
 * pile up behind a backlog: the scan publishes the row anew instead.
 */
export const lookAgainMs = 30_000

/** Most references in one broker message. A message holds references only, never a payload. */
export const envelopeRefsMax = 100

/** A refused permit is waited for in place up to this long; beyond it the row is deferred. */
export const waitInPlaceMaxMs = 1_000

/** Rows that a stopping worker gives back are due again after this time. */
export const releasedDueMs = 5_000

/** Back-off of an attempt whose worker vanished. */
export const orphanBackoffMs = 1_000
