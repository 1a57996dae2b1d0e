import { ownProperty } from './values.ts'

export type PathSegments = readonly (string | number)[]

const segment = /\[(\d+)\]|\["([^"]*)"\]|\.?([A-Za-z_@][\w@-]*)/gy

/** Segments of a path that the schema has let through; none for `$`. */
export function parsePath(text: string): PathSegments {
  const rest = text.startsWith('$') ? text.slice(1) : text
  return [...rest.matchAll(segment)].map(([, index, quoted, name]) =>
    index === undefined ? (quoted ?? name ?? '') : Number(index),
  )
}

/** What stands at a path of parsed JSON; undefined when there is nothing. Sees own properties only. */
export function valueAt(root: unknown, path: PathSegments): unknown {
  let value = root
  for (const part of path) {
    if (value === undefined || value === null) return undefined
    value = ownProperty(value, part)
  }
  return value
}
