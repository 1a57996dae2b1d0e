import { everyday } from '../load-items.ts'
import type { Fault } from './fault.ts'

const group = 'targets'
const scripts = [
  '503',
  '500',
  '429:1',
  '408',
  '400',
  'redirect',
  'reset',
  'drop',
  'hang',
  'slow:1500',
  'drip:9:400',
  'huge:5000000',
]
const retried: ReadonlySet<string> = new Set(['400', 'redirect'])

/** A share of what is accepted meanwhile meets such a target; it recovers at the third delivery where it is tried again. */
function some(share: number): Fault {
  return {
    name: `targets-${share * 100}-percent`,
    group,
    about: `${share * 100} % of the notifications meet a target that misbehaves, in every way`,
    holdMs: 4_000,
    async inject({ load }) {
      load.behave({
        share,
        scripts: scripts.map((script) => (retried.has(script) ? script : `${script} ${script} 200`)),
      })
      return async () => load.behave()
    },
  }
}

/** Every target behaves like this for a while, whatever was accepted before. */
function all(script: string): Fault {
  const name = script.replaceAll(':', '-')
  return {
    name: `targets-all-${name}`,
    group,
    about: `every target answers with "${script}"`,
    disturbs: ['target'],
    holdMs: 4_000,
    async inject({ load, sink }) {
      load.behave({ share: 0, scripts: ['200'] }) // a script of its own in the content would win
      sink.behave(script)
      return async () => {
        sink.behave(null)
        load.behave(everyday)
      }
    },
  }
}

export const targetFaults: readonly Fault[] = [
  ...[0.01, 0.1, 0.5, 1].map(some),
  ...[
    '503',
    '500',
    '429:1',
    '408',
    '400',
    'redirect',
    'messageid-header',
    'reset',
    'drop',
    'hang',
    'slow:1500',
    'drip:9:400',
    'huge:5000000',
  ].map(all),
]
