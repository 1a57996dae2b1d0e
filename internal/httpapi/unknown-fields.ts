import { closest, distance } from 'fastest-levenshtein'
import { quote } from './describe.ts'

/** `; did you mean "recipient"?`, or nothing when no known name is near. */
export function didYouMean(name: string, known: readonly string[]): string {
  if (name === '' || name.length > 64 || known.length === 0) return ''
  const lower = name.toLowerCase()
  const near = closest(
    lower,
    known.map((one) => one.toLowerCase()),
  )
  const limit = Math.max(1, Math.floor(Math.max(near.length, lower.length) / 3))
  const original = known.find((one) => one.toLowerCase() === near)
  if (original === undefined || distance(lower, near) > limit) return ''
  return `; did you mean ${quote(original, 64)}?`
}
