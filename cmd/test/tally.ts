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

type FileReport = z.infer<typeof report>['testResults'][number]

const reasonLengthMax = 160

/** What one run of vitest left. */
export interface RunResult {
  /** Of its JSON reporter; null when it wrote none. */
  readonly report: string | null
  /** Vitest's own: it also fails for errors outside of tests and for too little coverage. */
  readonly exitCode: number | null
}

/** Counts the tests of all runs. One that a run leaves to another is not skipped. */
export function countTests(results: readonly RunResult[]): Tally {
  const counted = results.map(countRun)
  const ran = new Set(counted.flatMap((one) => one.ran))
  const skipped = new Set(counted.flatMap((one) => one.skipped).filter((name) => !ran.has(name)))
  const passed = counted.reduce((sum, one) => sum + one.passed, 0)
  return { passed, failed: counted.reduce((sum, one) => sum + one.failed, 0), skipped: skipped.size }
}

interface Count {
  readonly passed: number
  readonly failed: number
  /** Names of tests. */
  readonly ran: readonly string[]
  readonly skipped: readonly string[]
}

function countRun({ report: text, exitCode }: RunResult): Count {
  const files = parseReport(text)
  if (files === null) return { passed: 0, failed: 1, ran: [], skipped: [] }
  const tests = files.flatMap(({ name, assertionResults }) =>
    assertionResults.map(({ status, fullName }) => ({ status, name: `${name} > ${fullName}` })),
  )
  const ran = tests.filter(({ status }) => status === 'passed' || status === 'failed')
  const failedFiles = files.filter(hasFailedAsAWhole).length
  const failedTests = ran.filter(({ status }) => status === 'failed').length
  const failed = failedTests + failedFiles
  const silentFailure = exitCode !== 0 && failed === 0 ? 1 : 0
  return {
    passed: ran.length - failedTests,
    failed: failed + silentFailure,
    ran: ran.map(({ name }) => name),
    skipped: tests.filter((test) => !ran.includes(test)).map(({ name }) => name),
  }
}

/** One short line for each failed test or file of a run, for the end of the output, where people look first. */
export function listFailures({ report: text }: RunResult, root: string): readonly string[] {
  const files = parseReport(text)
  if (files === null) return ['the tests wrote no readable report']
  return files.flatMap((file) => {
    const name = path.relative(root, file.name)
    if (hasFailedAsAWhole(file)) return [`${name}: ${firstLine(file.message)}`]
    const failed = file.assertionResults.filter((test) => test.status === 'failed')
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

/** A file that could not be loaded, or whose hooks failed, has no failed test of its own. */
function hasFailedAsAWhole({ status, assertionResults }: FileReport): boolean {
  return status === 'failed' && !assertionResults.some((test) => test.status === 'failed')
}

/** Null when there is none, or none that can be read. */
function parseReport(text: string | null): readonly FileReport[] | null {
  try {
    return report.parse(JSON.parse(text ?? '')).testResults
  } catch {
    return null
  }
}
