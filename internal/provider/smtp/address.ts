import { domainToASCII } from 'node:url'
import { z } from 'zod'

/** What the HTML standard calls an email address: no quotes, comments, blanks, lists or control characters. */
const plainAddress = z.string().max(254).regex(z.regexes.html5Email)
const localMax = 64

/**
 * One address, as it goes into the envelope: the local part as written, the domain in ASCII. Null for everything that is
 * not exactly one, or that only a server with SMTPUTF8 could take (letters beyond ASCII before the `@`).
 */
export function singleAddress(text: string): string | null {
  const at = text.lastIndexOf('@')
  const local = text.slice(0, at)
  const domain = domainToASCII(text.slice(at + 1)).toLowerCase()
  if (at < 1 || domain === '' || local.length > localMax || /^\.|\.\.|\.$/.test(local)) return null
  return plainAddress.safeParse(`${local}@${domain}`).data ?? null
}

/** The part of an address after the `@`. */
export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1)
}
