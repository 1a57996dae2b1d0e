import path from 'node:path'
import { z } from 'zod'

/** What came out of the run: tests, and one for every check. */
export interface Tally {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

const report = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string(),
      assertionResults: z.array(
        z.object({ status: z.string(), fullName: z.string(), failureMessages: z.array(z.string()) }),
      ),
    }),
  ),
})

const reasonLengthMax = 160

/**
 * Counts a report of vitest's JSON reporter.
 * @param text null when vitest wrote none.
 * @param exitCode vitest's own: it also fails for errors outside of tests and for too little coverage.
 */
export function countTests(text: string | null, exitCode: number | null): Tally {
  const parsed = report.safeParse(text === null ? null : parseJson(text))
  if (!parsed.success) return { passed: 0, failed: 1, skipped: 0 }
  const statuses = parsed.data.testResults.flatMap(({ status, assertionResults }) => {
    const tests = assertionResults.map((test) => test.status)
    // A file that cannot be loaded, or whose hooks fail, has no failed test of its own.
    return status === 'failed' && !tests.includes('failed') ? [...tests, 'failed'] : tests
  })
  const passed = statuses.filter((status) => status === 'passed').length
  const failed = statuses.filter((status) => status === 'failed').length
  const silentFailure = exitCode !== 0 && failed === 0 ? 1 : 0
  return { passed, failed: failed + silentFailure, skipped: statuses.length - passed - failed }
}

/** One short line for each failed test or file of the report, for the end of the output, where people look first. */
export function listFailures(text: string | null, root: string): readonly string[] {
  const parsed = report.safeParse(text === null ? null : parseJson(text))
  if (!parsed.success) return ['the tests wrote no readable report']
  return parsed.data.testResults.flatMap((file) => {
    const name = path.relative(root, file.name)
    const failed = file.assertionResults.filter((test) => test.status === 'failed')
    if (failed.length === 0) return file.status === 'failed' ? [`${name}: ${firstLine(file.message)}`] : []
    return failed.map((test) => `${name} > ${test.fullName}: ${firstLine(test.failureMessages[0] ?? '')}`)
  })
}

function firstLine(text: string): string {
  return (text.trim().split('\n')[0] ?? '').slice(0, reasonLengthMax)
}

export function add(...tallies: readonly Tally[]): Tally {
  return tallies.reduce(
    (sum, one) => ({
      passed: sum.passed + one.passed,
      failed: sum.failed + one.failed,
      skipped: sum.skipped + one.skipped,
    }),
    { passed: 0, failed: 0, skipped: 0 },
  )
}

/** The last line of a run, for people and for programs that read it. */
export function describeTally({ passed, failed }: Tally): string {
  return `${passed} passed, ${failed} failed`
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
