import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ChoiceInput, chooseOutlets, type OutletStanding } from './choose-outlet.ts'

const ids = ['a', 'b', 'c', 'd', 'e'] as const
const anyId = fc.constantFrom(...ids)
const anyTiers = fc.array(
  fc.record({
    connections: fc.uniqueArray(fc.record({ connection: anyId, weight: fc.integer({ min: 1, max: 1_000 }) }), {
      minLength: 1,
      maxLength: 4,
      selector: ({ connection }) => connection,
    }),
  }),
  { minLength: 1, maxLength: 4 },
)
const anyStanding = fc.option(fc.record({ usableInMs: fc.constantFrom(0, 0, 0, 500, 7_000), repeatable: fc.boolean() }))
const anyStandings = fc.tuple(anyStanding, anyStanding, anyStanding, anyStanding, anyStanding)
/** Uniform enough, and the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = (seed % 2_147_483_646) + 1
  return () => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647
}

const anyInput = fc
  .record({
    tiers: anyTiers,
    tried: fc.array(anyId, { maxLength: 8 }),
    unknownOver: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(fc.option(anyId), { minLength: 1, maxLength: 3 }) },
    ),
    standings: anyStandings,
    seed: fc.nat(),
  })
  .map(({ standings, seed, ...rest }): ChoiceInput => {
    const byId = new Map<string, OutletStanding | null>(ids.map((id, index) => [id, standings[index] ?? null]))
    return { ...rest, standingOf: (id) => byId.get(id) ?? null, random: randomFrom(seed) }
  })

const known = (input: ChoiceInput) => ({ ...input, unknownOver: [] })
const triesOf = ({ tried }: ChoiceInput, id: string) => tried.filter((one) => one === id).length
const tierOf = ({ tiers }: ChoiceInput, id: string) =>
  tiers.findIndex(({ connections }) => connections.some(({ connection }) => connection === id))

describe('the choice of a connection', () => {
  it('names every usable connection of the route once, and no other', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const choice = chooseOutlets(known(input))
        const members = new Set(input.tiers.flatMap(({ connections }) => connections.map((one) => one.connection)))
        const usable = [...members].filter((id) => input.standingOf(id)?.usableInMs === 0)
        expect(choice.kind === 'try' ? choice.order.toSorted() : []).toEqual(usable.toSorted())
      }),
    )
  })

  it('leaves what was tried for last, then goes by tier', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const choice = chooseOutlets(known(input))
        if (choice.kind !== 'try') return
        for (const [index, id] of choice.order.entries()) {
          const next = choice.order[index + 1]
          if (next === undefined) continue
          const [tries, nextTries] = [triesOf(input, id), triesOf(input, next)]
          expect(tries).toBeLessThanOrEqual(nextTries)
          if (tries === nextTries) expect(tierOf(input, id)).toBeLessThanOrEqual(tierOf(input, next))
        }
      }),
    )
  })

  it('waits for the first that may be used, when none may now', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const choice = chooseOutlets(known(input))
        if (choice.kind !== 'wait') return
        const waits = input.tiers.flatMap(({ connections }) =>
          connections.flatMap(({ connection }) => input.standingOf(connection)?.usableInMs ?? []),
        )
        expect(choice.ms).toBe(waits.length === 0 ? null : Math.min(...waits))
      }),
    )
  })

  it('never fails over while it may have arrived over a connection, and repeats only where repeats are dropped', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const over = input.unknownOver.findLast((id) => id !== null)
        if (over === undefined || over === null) return
        const standing = input.standingOf(over)
        const choice = chooseOutlets(input)
        if (standing?.repeatable === false) expect(choice).toEqual({ kind: 'park' })
        else if (standing?.usableInMs === 0) expect(choice).toMatchObject({ kind: 'try', order: [over] })
        else expect(choice).toEqual({ kind: 'wait', ms: standing?.usableInMs ?? null })
      }),
    )
  })

  it('sends again what a vanished worker had only when every connection it may have used drops repeats', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const choice = chooseOutlets({ ...input, unknownOver: [null] })
        const members = input.tiers.flatMap(({ connections }) => connections.map((one) => one.connection))
        const isSafe = members.every((id) => input.standingOf(id)?.repeatable !== false)
        expect(choice.kind === 'park').toBe(!isSafe)
      }),
    )
  })

  it('spreads load within a tier by weight', () => {
    const weights = { a: 700, b: 200, c: 100 }
    const connections = Object.entries(weights).map(([connection, weight]) => ({ connection, weight }))
    const standingOf = () => ({ usableInMs: 0, repeatable: false })
    const first = { a: 0, b: 0, c: 0 }
    const second = { a: 0, b: 0, c: 0 }
    const random = randomFrom(1)
    for (let drawn = 0; drawn < 10_000; drawn++) {
      const choice = chooseOutlets({ tiers: [{ connections }], tried: [], unknownOver: [], standingOf, random })
      const order = choice.kind === 'try' ? choice.order : []
      for (const id of ['a', 'b', 'c'] as const) {
        if (order[0] === id) first[id]++
        if (order[1] === id) second[id]++
      }
    }
    for (const id of ['a', 'b', 'c'] as const) expect(Math.abs(first[id] / 10 - weights[id])).toBeLessThan(25)
    // Those who come after the first are spread by their weights as well: 0.7 × 2/3 + 0.1 × 2/9 of all.
    expect(Math.abs(second.b / 10_000 - 0.489)).toBeLessThan(0.025)
  })
})
