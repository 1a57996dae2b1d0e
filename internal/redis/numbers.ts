/** @throws TypeError when Redis answered something else than so many numbers. */
export function readNumbers(reply: unknown, count: number): readonly number[] {
  const values: readonly unknown[] = Array.isArray(reply) ? reply : []
  const numbers = values.filter((value) => typeof value === 'number')
  if (numbers.length === count && values.length === count) return numbers
  throw new TypeError(`redis answered a script with something else than ${count} numbers`)
}
