import { compareStatements } from '../statements/compare.ts'
import { withStores } from '../statements/stores.ts'
import { type Study, scaled } from './scenario.ts'

const few = 1_000
const many = 1_000_000

/** The cost of a step must not grow with what waits. */
export const backlog: Study = {
  name: 'backlog',
  about: `the statements of accept, claim, settle (100 rows each) and scan, one after another, through the store of the engine, with ${few.toLocaleString('en')} and with ${many.toLocaleString('en')} rows waiting, all overdue; medians of times and of pages looked at; scan = the five statements from count due to sweep orphans; dead rows of notifications after a burst of rounds, before and after a vacuum`,
  who: 'nobody',
  limitMs: 1_800_000,
  run(bench) {
    const conditions = [few, Math.max(few * 10, scaled(bench, many))].map((waiting) => ({
      name: `${waiting.toLocaleString('en')} waiting`,
      rows: { waiting, finished: 0 },
    }))
    return withStores(bench, conditions, (stores) => compareStatements(bench, stores))
  },
}
