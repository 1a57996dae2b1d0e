import { drain } from './drain.ts'
import type { Contest } from './scenario.ts'

export const connector: Contest = {
  ...drain,
  name: 'connector',
  about:
    'as drain, over the plain webhook and over a connection of a JSON connector with what most shipped ones have (cmd/bench/connector: a secret, Liquid in the body, success and id told by the body, error rules, a rate that holds nothing back), to the same sink',
  who: ['engine', 'connector'],
}
