import { describe, expect, it } from 'vitest'
import { add, countTests, describeTally } from './tally.ts'

const file = (status: string, ...tests: readonly string[]) => ({
  status,
  assertionResults: tests.map((one) => ({ status: one })),
})
const report = (...testResults: readonly ReturnType<typeof file>[]) => JSON.stringify({ testResults })

describe('the count of a test run', () => {
  it('adds up the tests of all files', () => {
    const text = report(file('passed', 'passed', 'skipped'), file('failed', 'passed', 'failed'), file('passed', 'todo'))
    expect(countTests(text, 1)).toEqual({ passed: 2, failed: 1, skipped: 2 })
  })

  it('counts a file that could not be loaded as a failure', () => {
    expect(countTests(report(file('failed'), file('passed', 'passed')), 1)).toEqual({
      passed: 1,
      failed: 1,
      skipped: 0,
    })
  })

  it('counts a failure that no test shows', () => {
    expect(countTests(report(file('passed', 'passed')), 1)).toEqual({ passed: 1, failed: 1, skipped: 0 })
    expect(countTests(report(file('passed', 'passed')), null).failed).toBe(1)
  })

  it('never takes a missing or broken report for success', () => {
    for (const text of [null, '', '{}', '{"testResults":1}']) expect(countTests(text, 0).failed).toBe(1)
  })

  it('reads as one line', () => {
    const one = { passed: 1, failed: 0, skipped: 1 }
    expect(describeTally(add(one, { passed: 0, failed: 2, skipped: 3 }))).toBe('1 passed, 2 failed')
  })
})
