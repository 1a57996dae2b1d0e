const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
type Unit = keyof typeof unitMs

function isUnit(text: string): text is Unit {
  return Object.hasOwn(unitMs, text)
}

/**
 * Reads `5s`, `250ms`, `1m30s`, `1.5h`; a bare whole number is milliseconds. Sums are allowed because the Go notation,
 * in which many existing deployments are written, has them.
 * @returns whole milliseconds, or null when `text` is no duration.
 */
export function parseDurationMs(text: string): number | null {
  if (/^\d+$/.test(text)) return safe(Number(text))
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return null
  let sumMs = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    if (amount === undefined || unit === undefined || !isUnit(unit)) return null
    sumMs += Number(amount) * unitMs[unit]
  }
  return safe(Math.round(sumMs))
}

function safe(ms: number): number | null {
  return Number.isSafeInteger(ms) ? ms : null
}

/** The shortest exact spelling with one unit: 90000 → `90s`, 86400000 → `24h`. Days are never written. */
export function formatDurationMs(ms: number): string {
  for (const unit of ['h', 'm', 's'] as const) {
    if (ms > 0 && ms % unitMs[unit] === 0) return `${ms / unitMs[unit]}${unit}`
  }
  return `${ms}ms`
}
