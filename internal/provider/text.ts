/** What a target wrote is a stranger's text: it is made safe to store, to log and to show before anybody keeps it. */

const redacted = '[redacted]'
/** Stands for a secret while others are still looked for, so that no secret is found inside the word "redacted". */
const placeholder = '\u0000'
const replacement = '\ufffd'

/** One line of well-formed text without control characters, at most `maxChars` UTF-16 units. */
export function cleanText(text: string, maxChars: number): string {
  const oneLine = text
    .toWellFormed()
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
  if (oneLine.length <= maxChars) return oneLine
  const cut = oneLine.slice(0, maxChars)
  return cut.isWellFormed() ? cut : cut.slice(0, -1) // never half a surrogate pair
}

/**
 * Takes `secrets` out of a text that may echo them: as they are, or escaped for JSON or a URL.
 * @param complete false when the text was cut off: then a secret that only began at its end is taken out too.
 */
export function redact(text: string, secrets: readonly string[], complete: boolean): string {
  let safe = text.includes(placeholder) ? text.replaceAll(placeholder, replacement) : text
  // No form is shorter than its secret, and most answers are shorter than most secrets.
  const near = complete ? secrets.filter(({ length }) => length <= text.length) : secrets
  if (near.length === 0) return safe
  // Longest first: a recipient that is part of the content must not break up the content before it is found.
  const forms = [...new Set(near.flatMap(writtenForms))].sort((a, b) => b.length - a.length)
  for (const form of forms) safe = safe.replaceAll(form, placeholder)
  if (!complete) {
    const begun = Math.max(0, ...forms.map((form) => begunAtEnd(safe, form)))
    if (begun > 0) safe = safe.slice(0, -begun) + placeholder
  }
  return safe.replaceAll(placeholder, redacted)
}

/** Most recipients and much content: what no way of writing changes, and what only a URL does. */
const unreserved = /^[\w.~-]*$/
const plainInJson = /^[ !#-[\]-~]*$/

function writtenForms(secret: string): string[] {
  if (unreserved.test(secret)) return secret === '' ? [] : [secret]
  if (plainInJson.test(secret)) return [secret, encodeURIComponent(secret)]
  const json = JSON.stringify(secret).slice(1, -1)
  const asciiJson = json.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
  const forms = [secret.toWellFormed(), json, asciiJson, encodeURIComponent(secret.toWellFormed())]
  return forms.filter((form) => form !== '' && form !== placeholder)
}

/** How many characters at the end of `text` are the beginning of `secret`. */
function begunAtEnd(text: string, secret: string): number {
  for (let length = Math.min(text.length, secret.length - 1); length > 0; length--) {
    if (text.endsWith(secret.slice(0, length))) return length
  }
  return 0
}

/** Printable ASCII without blanks at the ends: what every HTTP stack takes as a header value unchanged. */
export function isHeaderSafe(value: string): boolean {
  return /^[!-~](?:[ -~]*[!-~])?$/.test(value)
}
