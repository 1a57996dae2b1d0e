import { describe, expect, it } from 'vitest'
import type { Contender } from './contenders/contender.ts'
import { type Bench, type Contest, type Scenario, Skipped, type Study } from './scenarios/scenario.ts'
import { takeTurns } from './turns.ts'

const nobody = () => Promise.reject(new Error('nobody opens it here'))
const contenders: readonly Contender[] = [
  { name: 'engine', kind: 'engine', open: nobody },
  { name: 'bullmq', kind: 'peer', open: nobody },
  { name: 'embedded', kind: 'variant', open: nobody },
]
const described = { name: 'drain', about: 'a test', limitMs: 1_000 } as const

function contest(change: Partial<Contest>): Contest {
  return { ...described, headline: null, who: 'everybody', run: async () => ({ aMs: 1 }), ...change }
}

function study(run: Study['run']): Study {
  return { ...described, name: 'history', who: 'nobody', run }
}

/** Runs the turns of one scenario on nothing, twice; `lines` is what was said. */
async function take(scenario: Scenario, signal = new AbortController().signal) {
  const lines: string[] = []
  // What scenarios work with; those here work with nothing.
  const unused: Pick<Bench, 'ground' | 'sink' | 'load'> = Object.create(null)
  const bench = { ...unused, scale: 1, history: 1, signal, say: (line: string) => lines.push(line) }
  const options = { scenarios: [scenario], contenders, repeats: 2, results: { add: () => undefined } }
  const turns = await takeTurns({ ...bench, onMeasured: async () => undefined }, options)
  return { ...turns, lines }
}

const namesOf = ({ done }: Awaited<ReturnType<typeof take>>) => done.map(({ contender }) => contender)

describe('takeTurns', () => {
  it('lets contenders take turns, variants only where they are asked for', async () => {
    expect(namesOf(await take(contest({})))).toEqual(['engine', 'bullmq', 'engine', 'bullmq'])
    expect(namesOf(await take(contest({ who: 'engine' })))).toEqual(['engine', 'engine'])
    const who = ['engine', 'embedded']
    expect(namesOf(await take(contest({ who })))).toEqual(['engine', 'embedded', 'engine', 'embedded'])
  })

  it('keeps the figures of each condition of a study', async () => {
    expect(namesOf(await take(study(async () => ({ few: { aMs: 1 }, many: { aMs: 2 } }))))).toEqual([
      'few',
      'many',
      'few',
      'many',
    ])
  })

  it('leaves a turn that fails out, and goes on', async () => {
    const turns = await take(
      contest({
        run: (_, { name }) => (name === 'engine' ? Promise.reject(new Error('broken')) : Promise.resolve({ aMs: 1 })),
      }),
    )
    expect(turns.failed).toBe(2)
    expect(namesOf(turns)).toEqual(['bullmq', 'bullmq'])
    expect(turns.lines).toContain('[drain 1/2] engine: FAILED: broken')
  })

  it('tells once why a scenario was skipped, which is no failure', async () => {
    const turns = await take(study(() => Promise.reject(new Skipped('no room'))))
    expect(turns).toMatchObject({ failed: 0, skipped: { history: 'no room' } })
    expect(turns.lines).toEqual(['[history 1/2] history: skipped: no room'])
  })

  it('ends with the first turn that an interruption broke off', async () => {
    const over = new AbortController()
    const interrupting = contest({
      run() {
        over.abort(new Error('ended by SIGINT'))
        return Promise.reject(new Error('the load generator is gone'))
      },
    })
    await expect(take(interrupting, over.signal)).rejects.toThrow('ended by SIGINT')
  })
})
