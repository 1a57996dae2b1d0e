const identifierPattern = /^[A-Za-z_][A-Za-z0-9_$-]{0,62}$/

/**
 * A schema or table name, quoted.
 * @throws RangeError when it is not 1 to 63 letters, digits, `_`, `-`, `$` with a letter or `_` first.
 */
export function quoteIdentifier(name: string): string {
  if (!identifierPattern.test(name)) {
    throw new RangeError(
      `${JSON.stringify(name)} is not a usable name: expected 1 to 63 letters, digits, "_", "-" or "$", first a letter or "_"`,
    )
  }
  return `"${name}"`
}
