/**
 * What `make test` runs, and what beside what. Two lanes are for two cores, which is what small machines have; a lane
 * runs its steps one after another.
 */

/** Scripts of package.json, each one a check. What reads the project's files follows the build, which changes some. */
export const checkLanes = [
  ['typecheck', 'check:imports', 'docs:check'],
  ['build', 'lint', 'check:format', 'check:unused'],
] as const

/** One run of vitest. */
export interface TestRun {
  readonly name: string
  /** After `vitest run`. */
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** Lanes that run side by side. */
export type TestStage = readonly (readonly TestRun[])[]

const quick: TestRun = { name: 'unit, services', args: ['--project', 'unit', '--project', 'services'], env: {} }
const chaos: TestRun = { name: 'chaos', args: ['--project', 'e2e', 'cmd/chaos'], env: {} }
/** Measures when each delivery arrives: work beside it on the same cores would be measured too. */
const pace: TestRun = { name: 'e2e pace', args: ['--project', 'e2e', 'cmd/e2e/pace'], env: {} }
const endToEnd = (profile: string): TestRun => ({
  name: `e2e ${profile}`,
  args: ['--project', 'e2e', 'cmd/e2e', '--exclude', 'cmd/e2e/pace*'],
  env: { E2E_PROFILES: profile },
})

/**
 * Stages of test runs, one after another. End-to-end tests mostly wait, for leases to end and for what is due, and the
 * lanes beside each other share nothing: the profile `services` has the broker and Redis for itself, `chaos` starts
 * servers of its own, and `embedded` uses none.
 * @param args of the command line; with any, one run does what they say.
 * @param env with E2E_PROFILES, one run of everything does what it says.
 */
export function planTests(args: readonly string[], env: NodeJS.ProcessEnv): readonly TestStage[] {
  if (args.length > 0 || env['E2E_PROFILES'] !== undefined) return [[[{ name: 'tests', args, env: {} }]]]
  return [[[quick]], [[endToEnd('services')], [chaos, endToEnd('embedded')]], [[pace]]]
}
