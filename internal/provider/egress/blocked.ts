/** The target may not be called, now or later: a permanent failure. The message names neither host nor address. */
export class BlockedAddressError extends Error {
  override readonly name = 'BlockedAddressError'
  /** Stable; stored with the attempt. */
  readonly code = 'blocked_address'

  /** @param problem completes "the target is not allowed: …" and holds nothing of its path or query. */
  constructor(problem: string) {
    super(`the target is not allowed: ${problem}`)
  }
}
