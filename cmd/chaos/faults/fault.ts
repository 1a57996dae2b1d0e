import type { Random } from '../../../internal/testkit/random.ts'
import type { ExcuseCode } from '../check/excuses.ts'
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
  /** Only by itself: it restarts engines in its own way, or looks at something that nothing else may disturb. */
  readonly alone?: true
  /** It is there to bring this duplicate about. */
  readonly wants?: ExcuseCode
  /** Why it cannot be done here; null when it can. */
  readonly skip?: (world: World) => string | null | Promise<string | null>
  inject(world: World, random: Random): Promise<Heal>
}

export const nothing: Heal = () => Promise.resolve()
export const servicesOnly: readonly ProfileName[] = ['services']
