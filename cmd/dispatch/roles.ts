import type { Role } from '../../internal/config/roles.ts'

/** What a process can run besides its probes and metrics, which every role serves. */
export type Part = 'api' | 'worker' | 'scan'

/** Role → parts. `all` is the three of them. */
export const partsOf = {
  api: ['api'],
  worker: ['worker'],
  scheduler: ['scan'],
} as const satisfies Record<Role, readonly Part[]>

export function partsFor(roles: readonly Role[]): ReadonlySet<Part> {
  return new Set(roles.flatMap((role): readonly Part[] => partsOf[role]))
}

/** As heartbeats and `/health` show it. */
export function roleName(roles: readonly Role[]): string {
  return roles.length === Object.keys(partsOf).length ? 'all' : roles.join(',')
}
