import type { Random } from '../../../internal/testkit/random.ts'
import type { Subject } from '../evidence.ts'
import type { ProfileName } from '../ground.ts'
import type { World } from '../world.ts'

/** Undoes what was done. After it the system has to recover by itself. */
export type Heal = () => Promise<void>

/** One thing that goes wrong. */
export interface Fault {
  readonly name: string
  readonly group: string
  readonly about: string
  /** Default both. */
  readonly profiles?: readonly ProfileName[]
  /** Fewer engines than this: it makes no sense. Default 1. */
  readonly replicasMin?: number
  /** What cannot be relied on meanwhile, for every engine. A fault that concerns one engine notes it itself. */
  readonly disturbs?: readonly Subject[]
  /** How long it lasts. */
  readonly holdMs: number
  /** An orderly fault: no connection may be reset under a client, and no duplicate be made. */
  readonly graceful?: true
  /** Why it cannot be done here; null when it can. */
  readonly skip?: (world: World) => string | null
  inject(world: World, random: Random): Promise<Heal>
}

export const nothing: Heal = () => Promise.resolve()
export const servicesOnly: readonly ProfileName[] = ['services']
