import { z } from 'zod'
import type { ProfileName } from './ground.ts'

export interface CampaignSettings {
  readonly profile: ProfileName
  readonly seed: number
  readonly cycles: number
  readonly faults: readonly string[]
  /** Faults at once: from, to. */
  readonly mix: readonly [number, number]
  readonly replicas: number
  /** Everything is drained and held against the invariants after so many cycles, and at the end. */
  readonly checkEvery: number
  /** Notifications per second that the client offers; 0 = as many as go. */
  readonly perSecond: number
  /** Sends per second of each channel that the engines may make; 0 = no limit. */
  readonly limit: number
  /** Of the notifications, those that go over connections and routes; 0 = none. */
  readonly viaShare: number
  readonly leak: 'heap' | 'files' | null
  readonly folder: string
}

const perSecondDefault = 250
export const viaShareDefault = 0.35
const number = (min: number, fallback: number) => z.coerce.number().int().min(min).default(fallback)

const shape = z.object({
  PROFILE: z.enum(['services', 'embedded']).default('services'),
  SEED: number(0, 0),
  CYCLES: number(1, 0).or(z.literal(0)),
  FAULTS: z.string().default('kill9'),
  MIX: z
    .string()
    .regex(/^\d(-\d)?$/)
    .default('1'),
  REPLICAS: z.coerce.number().int().min(1).max(4).default(1),
  CHECK_EVERY: number(0, 0),
  RATE: z.coerce.number().int().min(0).optional(),
  LIMIT: number(0, 0),
  VIA: z.coerce.number().min(0).max(1).default(viaShareDefault),
  LEAK: z.enum(['heap', 'files']).optional(),
  OUT: z.string().optional(),
})

/** What can be chosen, for `--help`. */
export const usage = `make chaos: breaks things under load and checks that nothing was lost.

  PROFILE=services|embedded   private PostgreSQL, RabbitMQ, Redis · or built-in parts (default services)
  FAULTS=kill9                names and groups, comma-separated, or "all" (FAULTS=? lists them)
  CYCLES=n                    default: each fault once; kill9 alone 100 times
  MIX=2-4                     so many faults at once (default 1)
  REPLICAS=1…4                engine processes (services only; default 1)
  SEED=n                      the same choices again (default: from the clock)
  CHECK_EVERY=n               drain and check after so many cycles (default: 50; 1 with several faults)
  RATE=250                    notifications per second offered; 0 = as many as go (with LIMIT: a third more than it lets through)
  LIMIT=50                    sends per second of each channel (default 0: no limit)
  VIA=0…1                     share of the notifications that go over connections and routes (default ${viaShareDefault}; 0: none)
  LEAK=heap|files             plants a leak in the engines, to see that the campaign finds it
  OUT=folder                  logs and result.jsonl (default: a temporary folder)`

/** @throws Error with one sentence for the person at the terminal. */
export function readSettings(env: NodeJS.ProcessEnv, tmp: string): CampaignSettings {
  const parsed = shape.safeParse(Object.fromEntries(Object.entries(env).filter(([, value]) => value !== '')))
  if (!parsed.success)
    throw new Error(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '))
  const { PROFILE, SEED, CYCLES, FAULTS, MIX, REPLICAS, CHECK_EVERY, RATE, LIMIT, VIA, LEAK, OUT } = parsed.data
  if (PROFILE === 'embedded' && REPLICAS > 1) throw new Error('REPLICAS: built-in parts serve one process')
  const seed = SEED === 0 ? Date.now() % 1_000_000 : SEED
  const [from = 1, to = from] = MIX.split('-').map(Number)
  return {
    profile: PROFILE,
    seed,
    cycles: CYCLES,
    faults: FAULTS.split(/[\s,]+/).filter((word) => word !== ''),
    mix: [from, to],
    replicas: REPLICAS,
    checkEvery: CHECK_EVERY,
    perSecond: RATE ?? (LIMIT === 0 ? perSecondDefault : LIMIT * 4),
    limit: LIMIT,
    viaShare: VIA,
    leak: LEAK ?? null,
    folder: OUT ?? `${tmp}/dispatch-chaos-${PROFILE}-${seed}`,
  }
}
