const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/

export const timestampYearMin = 1970
export const timestampYearMax = 2999
export const timestampExpected = `an RFC 3339 time with offset, like 2030-01-31T09:00:00Z, year ${timestampYearMin} to ${timestampYearMax}`

/** An RFC 3339 date-time, cut to whole milliseconds; null when it is anything else, also a day that does not exist. */
export function parseTimestamp(text: string): Date | null {
  const match = rfc3339.exec(text)
  if (match === null) return null
  const [, year, month, day, hour, minute, second, fraction = '', offset = 'Z'] = match
  const offsetMinutes = parseOffset(offset)
  const parts = [year, month, day, hour, minute, second].map(Number)
  const [y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0] = parts
  if (offsetMinutes === null || y < timestampYearMin || y > timestampYearMax) return null
  if (h > 23 || mi > 59 || s > 59) return null
  const local = new Date(Date.UTC(y, mo - 1, d, h, mi, s, Number(fraction.slice(0, 3).padEnd(3, '0'))))
  // Date.UTC rolls the 30th of February over into March; then the parts differ.
  if (local.getUTCMonth() !== mo - 1 || local.getUTCDate() !== d) return null
  return new Date(local.getTime() - offsetMinutes * 60_000)
}

function parseOffset(offset: string): number | null {
  if (offset === 'Z' || offset === 'z') return 0
  const hours = Number(offset.slice(1, 3))
  const minutes = Number(offset.slice(4))
  if (hours > 23 || minutes > 59) return null
  return (offset.startsWith('-') ? -1 : 1) * (hours * 60 + minutes)
}
