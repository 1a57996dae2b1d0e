import { compareStatements } from '../statements/compare.ts'
import { listOnce } from '../statements/round.ts'
import { withStores } from '../statements/stores.ts'
import { type Study, scaled } from './scenario.ts'

const waiting = 1_000

/** The cost of a step must not grow with what is over. */
export const history: Study = {
  name: 'history',
  about: `the statements of accept, claim, settle (100 rows each), scan and the first page of the list (20 rows), one after another, through the store of the engine, with nothing and with HISTORY rows finished; ${waiting.toLocaleString('en')} rows wait; medians of times and of pages looked at`,
  who: 'nobody',
  limitMs: 7_200_000,
  run(bench) {
    const conditions = [0, scaled(bench, bench.history)].map((finished) => ({
      name: `${finished.toLocaleString('en')} finished`,
      rows: { waiting, finished },
    }))
    return withStores(bench, conditions, (stores) => compareStatements(bench, stores, listOnce))
  },
}
