import { domainToASCII } from 'node:url'
import { z } from '@hono/zod-openapi'

/** What domain names are made of, in any script; without it `domainToASCII` would cut off a path or read `%2e`. */
const domainPattern = /^(?:[\p{L}\p{M}\p{N}.-]|\u200c|\u200d)+$/u
const isAscii = /^[\x20-\x7e]*$/

/**
 * One email address as mail servers take it: as HTML forms know it, the domain of another script in its ASCII form. Null
 * when it is none, a list, or has a name beside it.
 */
export function toEmailAddress(text: string): string | null {
  const at = text.lastIndexOf('@')
  const domain = text.slice(at + 1)
  const address = isAscii.test(domain) ? text : `${text.slice(0, at + 1)}${toAsciiDomain(domain)}`
  return z.regexes.html5Email.test(address) ? address : null
}

/** Empty when it is no domain. */
function toAsciiDomain(domain: string): string {
  return domainPattern.test(domain) ? domainToASCII(domain) : ''
}
