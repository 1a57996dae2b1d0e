export const roles = ['api', 'worker', 'scheduler'] as const
export type Role = (typeof roles)[number]

/** `all` stands for every role; the order is always the same. */
export function expandRoles(given: readonly (Role | 'all')[]): readonly Role[] {
  return roles.filter((role) => given.includes('all') || given.includes(role))
}
