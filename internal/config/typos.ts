import { distance } from 'fastest-levenshtein'
import { namesOf } from './field.ts'
import { allFields } from './fields.ts'
import type { Environment } from './reader.ts'

const known = new Set(allFields.flatMap(namesOf))

/** `RATE_`, `DB_`, `LOG_` …: names that begin otherwise are somebody else's, and none of our business. */
const prefixes = new Set([...known].filter((name) => name.includes('_')).map((name) => name.replace(/_.*/, '_')))

/** Longer names may differ more: RATE_LIMIT_PER_SECOND is RATE_LIMIT_PER_SEC. Two slips are allowed in any name. */
function closeEnough(name: string): number {
  return Math.max(2, Math.floor(name.length / 6))
}

/**
 * Warns of variables that are almost ours, since a misspelt setting is otherwise ignored in silence. Only names are
 * shown, never values.
 */
export function findTypos(environment: Environment): readonly string[] {
  return Object.entries(environment).flatMap(([name, value]) => {
    const upper = name.toUpperCase()
    const ours = [...prefixes].some((prefix) => upper.startsWith(prefix))
    if (known.has(name) || !ours || value === undefined || value.trim() === '') return []
    const best = nearest(upper)
    return best === null ? [] : [`${name} is not a setting: did you mean ${best}?`]
  })
}

function nearest(name: string): string | null {
  let best: string | null = null
  let bestDistance = closeEnough(name) + 1
  for (const one of known) {
    const away = distance(name, one)
    if (away < bestDistance) {
      best = one
      bestDistance = away
    }
  }
  return best
}
