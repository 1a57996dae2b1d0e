import { z } from 'zod'
import { signingSecretProblem } from './standard-webhooks.ts'

/** A secret that signs, for ever or until another has taken its place everywhere. */
export interface SigningSecret {
  /** `whsec_…` */
  readonly secret: string
  /** Epoch milliseconds from which on it signs no more; null = no end. */
  readonly endsAtMs: number | null
}

const separator = ' until '
const replacedMax = 8
const time = z.iso.datetime({ offset: true })

/**
 * Reads a secret as operators write it: `whsec_…`, or `whsec_… until 2026-11-22T15:00:00Z` for one that ends.
 * @returns or what is wrong with it, in words that complete "secret: …" and do not repeat it.
 */
export function readSigningSecret(text: string): SigningSecret | { readonly problem: string } {
  const [secret = '', end, ...rest] = text.split(separator)
  const problem = signingSecretProblem(secret)
  if (problem !== null) return { problem }
  if (end === undefined) return { secret, endsAtMs: null }
  const endsAtMs = rest.length === 0 && time.safeParse(end).success ? Date.parse(end) : Number.NaN
  if (Number.isNaN(endsAtMs)) {
    return { problem: `what follows${separator}is no time, expected one such as 2026-11-22T15:00:00Z` }
  }
  return { secret, endsAtMs }
}

/** The secret of a text that {@link readSigningSecret} can read; any other text as it is. */
export function bareSecret(text: string): string {
  const [secret = '', end] = text.split(separator)
  return end !== undefined && signingSecretProblem(secret) === null ? secret : text
}

/**
 * What a list of secrets becomes when it is replaced: the new one, and beside it for a while what it leaves out.
 * @param before the newest first; what ends there keeps its end, what has ended is gone. Of more than eight
 *   the newest stay: each is one more signature in a header.
 * @param graceMs 0 = nothing stays.
 */
export function withReplaced(
  given: readonly string[],
  before: readonly string[],
  nowMs: number,
  graceMs: number,
): readonly string[] {
  const known = new Set(given.map(bareSecret))
  const replaced = before.flatMap((text): readonly string[] => {
    const read = readSigningSecret(text)
    if ('problem' in read || known.has(read.secret)) return []
    const endsAtMs = Math.min(read.endsAtMs ?? Number.POSITIVE_INFINITY, nowMs + graceMs)
    return endsAtMs > nowMs ? [`${read.secret}${separator}${new Date(endsAtMs).toISOString()}`] : []
  })
  return [...given, ...replaced.slice(0, replacedMax)]
}
