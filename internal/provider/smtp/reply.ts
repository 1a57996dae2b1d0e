/** Where in a session a reply or a failure belongs. */
export type Stage = 'session' | 'encryption' | 'login' | 'sender' | 'recipient' | 'message'

/** A reply of the relay that refuses something. */
export interface Reply {
  /** 400 to 599. */
  readonly code: number
  /** `5.1.1` (RFC 3463); null when there is none, or when it contradicts a refusal. */
  readonly enhanced: string | null
  /** 4: for now; 5: for good. The enhanced code decides where there is one. */
  readonly severity: 4 | 5
  readonly text: string
}

/** Null for everything that is no refusal: nonsense, or an assent where none was due. */
export function readReply(text: string): Reply | null {
  const [, basic, given] = /^([45]\d\d)(?:[ -]([245]\.\d{1,3}\.\d{1,3})(?=\s|$))?(?=[ -]|$)/.exec(text) ?? []
  if (basic === undefined) return null
  const enhanced = given === undefined || given.startsWith('2') ? null : given
  return { code: Number(basic), enhanced, severity: (enhanced ?? basic).startsWith('4') ? 4 : 5, text }
}

/** The id under which a relay took a message, as the usual ones write it; null when the reply has none. */
export function queueIdOf(text: string): string | null {
  for (const pattern of idPatterns) {
    const id = pattern.exec(text)?.[1]
    if (id !== undefined) return id
  }
  return null
}

const idPatterns = [
  /\bqueued as <?([\w.+/=-]{4,128})>?/i, // Postfix and those who copy it
  /\bid=([\w-]{6,64})\b/i, // Exim
  /^250[ -]2\.0\.0 ([\w-]{8,64}) Message accepted for delivery/i, // Sendmail
  /^250[ -]2\.\d\.\d <([^<>\s]{8,200})> \[InternalId=/i, // Exchange
  /\bqp (\d{2,20})\b/i, // qmail
]

/** How long a relay that speaks of greylisting asks to wait, where its words can be read; at most an hour. */
export function waitAskedForMs(text: string): number | null {
  const [, hours, minutes, seconds] = /\b(\d{2}):(\d{2}):(\d{2})\b/.exec(text) ?? []
  const [, amount, unit] = /\b(\d{1,4}) ?(s|m)(?:ec|in)?(?:ond|ute)?s?\b/i.exec(text) ?? []
  const asked =
    hours === undefined
      ? Number(amount ?? 0) * (unit?.toLowerCase() === 'm' ? 60 : 1)
      : Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds)
  return asked > 0 && asked <= 3_600 ? asked * 1_000 : null
}
