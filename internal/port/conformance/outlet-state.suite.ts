import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '../../testkit/eventually.ts'
import type { OutletState, SharedStanding } from '../outlet-state.ts'

export interface OutletStateHarness {
  /** What one process sees. */
  readonly state: OutletState
  /** What another sees; the same object when there is only one. */
  readonly other: OutletState
  /** Lets time pass: a manual clock moves, a real one is waited for (the suite asks for well under a second). */
  readonly pass: (ms: number) => Promise<void>
  readonly close: () => Promise<void>
}

const well: SharedStanding = {
  opens: 0,
  openForMs: 0,
  probingForMs: 0,
  coolingForMs: 0,
  coolingRecipients: new Map(),
  learnt: null,
}

/** What every {@link OutletState} must do; `open` gives a fresh one, which nobody else uses. */
export function outletStateConformance(name: string, open: () => Promise<OutletStateHarness>): void {
  describe(`${name} keeps the contract of connections' state`, () => {
    const opened: OutletStateHarness[] = []
    async function setup(): Promise<OutletStateHarness> {
      const harness = await open()
      opened.push(harness)
      return harness
    }
    afterEach(async () => {
      for (const harness of opened.splice(0)) await harness.close()
    })

    async function standing(state: OutletState, id = 'a'): Promise<SharedStanding> {
      const [one] = (await state.read([id])) ?? []
      if (one === undefined) throw new Error('the state could not be read')
      return one
    }

    it('knows nothing bad of a connection that nobody spoke of', async () => {
      const { state } = await setup()
      expect(await state.read(['a', 'b'])).toEqual([well, well])
      expect(await state.probe('a', 1_000)).toBe(true)
      expect(await state.probe('a', 1_000)).toBe(true)
    })

    it('tells others of a wait, in the order asked for, and never shortens it', async () => {
      const { state, other } = await setup()
      state.cool('b', 60_000, null)
      state.cool('b', 100, null)
      await eventually(async () => {
        const [a, b] = (await other.read(['a', 'b'])) ?? []
        expect(a).toEqual(well)
        expect(b?.coolingForMs).toBeGreaterThan(30_000)
        expect(b?.coolingForMs).toBeLessThanOrEqual(60_000)
      })
    })

    it('forgets a wait that is over', async () => {
      const { state, pass } = await setup()
      state.cool('a', 200, null)
      state.cool('a', 200, 'r1')
      await pass(300)
      expect(await standing(state)).toEqual(well)
    })

    it('keeps waits of single recipients apart', async () => {
      const { state, other } = await setup()
      state.cool('a', 60_000, 'r1')
      state.cool('a', 30_000, 'r2')
      state.cool('a', 5, 'r1')
      await eventually(async () => {
        const { coolingForMs, coolingRecipients } = await standing(other)
        expect(coolingForMs).toBe(0)
        expect([...coolingRecipients.keys()].toSorted()).toEqual(['r1', 'r2'])
        expect(coolingRecipients.get('r1')).toBeGreaterThan(35_000)
        expect(coolingRecipients.get('r2')).toBeLessThanOrEqual(30_000)
      })
    })

    it('lets nobody through an open breaker, then one at a time, until it is closed', async () => {
      const { state, other, pass } = await setup()
      state.open('a', 1, 200)
      await eventually(async () => expect(await other.probe('a', 60_000)).toBe(false))
      expect(await standing(other)).toMatchObject({ opens: 1, probingForMs: 0 })
      await pass(250)
      expect(await standing(other)).toMatchObject({ opens: 1, openForMs: 0 })
      const answers = await Promise.all([state, other, state, other].map((one) => one.probe('a', 60_000)))
      expect(answers.filter((mayTry) => mayTry)).toHaveLength(1)
      expect((await standing(other)).probingForMs).toBeGreaterThan(30_000)
      state.close('a')
      await eventually(async () => expect(await standing(other)).toEqual(well))
      expect([await state.probe('a', 1), await other.probe('a', 1)]).toEqual([true, true])
    })

    it('lets another try when who tried is not heard of again', async () => {
      const { state, other, pass } = await setup()
      state.open('a', 1, 1)
      await pass(50)
      expect(await state.probe('a', 200)).toBe(true)
      expect(await other.probe('a', 200)).toBe(false)
      await pass(250)
      expect(await other.probe('a', 200)).toBe(true)
    })

    it('opens again, counted on, when the try was in vain', async () => {
      const { state, other, pass } = await setup()
      state.open('a', 1, 1)
      await pass(50)
      await state.probe('a', 60_000)
      state.open('a', 2, 60_000)
      await eventually(async () => expect(await standing(other)).toMatchObject({ opens: 2, probingForMs: 0 }))
      expect((await standing(other)).openForMs).toBeGreaterThan(30_000)
      expect(await other.probe('a', 1)).toBe(false)
    })

    it('shows what a provider told of its limit, its reset drawing nearer', async () => {
      const { state, other, pass } = await setup()
      state.learn('a', { name: 'x', remaining: 3, resetAfterMs: 60_000 })
      await pass(100)
      await eventually(async () => {
        const { learnt } = await standing(other)
        expect(learnt).toMatchObject({ name: 'x', remaining: 3 })
        expect(learnt?.resetAfterMs).toBeGreaterThan(30_000)
        expect(learnt?.resetAfterMs).toBeLessThan(60_000)
      })
      state.learn('a', { name: null, remaining: null, resetAfterMs: null })
      await eventually(async () =>
        expect((await standing(other)).learnt).toEqual({ name: null, remaining: null, resetAfterMs: null }),
      )
    })
  })
}
