import { describe, expect, it } from 'vitest'
import { add, countTests, describeTally, listFailures } from './tally.ts'

const file = (status: string, ...tests: readonly string[]) => ({
  name: '/project/some/file.test.ts',
  status,
  message: status === 'failed' ? 'Error: cannot be loaded\n at line 1' : '',
  assertionResults: tests.map((one) => ({
    status: one,
    fullName: `it ${one}`,
    failureMessages: one === 'failed' ? [`Error: ${'long '.repeat(100)}\n at line 2`] : [],
  })),
})
const count = (text: string | null, exitCode: number | null) => countTests([{ report: text, exitCode }])
const report = (...testResults: readonly ReturnType<typeof file>[]) => JSON.stringify({ testResults })

describe('the count of a test run', () => {
  it('adds up the tests of all files', () => {
    const text = report(file('passed', 'passed', 'skipped'), file('failed', 'passed', 'failed'), file('passed', 'todo'))
    expect(count(text, 1)).toEqual({ passed: 2, failed: 1, skipped: 2 })
  })

  it('adds up several runs, and calls nothing skipped that one of them ran', () => {
    const services = { report: report(file('passed', 'passed', 'skipped')), exitCode: 0 }
    const embedded = { report: report(file('passed', 'skipped', 'passed')), exitCode: 0 }
    expect(countTests([services, embedded])).toEqual({ passed: 2, failed: 0, skipped: 1 })
    expect(countTests([services, { report: null, exitCode: null }])).toEqual({ passed: 1, failed: 1, skipped: 1 })
  })

  it('counts a file that could not be loaded as a failure', () => {
    expect(count(report(file('failed'), file('passed', 'passed')), 1)).toEqual({ passed: 1, failed: 1, skipped: 0 })
  })

  it('counts a failure that no test shows', () => {
    expect(count(report(file('passed', 'passed')), 1)).toEqual({ passed: 1, failed: 1, skipped: 0 })
    expect(count(report(file('passed', 'passed')), null).failed).toBe(1)
  })

  it('never takes a missing or broken report for success', () => {
    for (const text of [null, '', '{}', '{"testResults":1}']) expect(count(text, 0).failed).toBe(1)
  })

  it('names each failed test and file in one short line', () => {
    const text = report(file('passed', 'passed'), file('failed', 'passed', 'failed'), file('failed'))
    const [test, unloaded, ...more] = listFailures({ report: text, exitCode: 1 }, '/project')
    expect(test).toMatch(/^some\/file\.test\.ts > it failed: Error: long /)
    expect(test?.length).toBeLessThan(250)
    expect(test).not.toContain('line 2')
    expect(unloaded).toBe('some/file.test.ts: Error: cannot be loaded')
    expect(more).toEqual([])
    expect(listFailures({ report: null, exitCode: 1 }, '/project')).toEqual(['the tests wrote no readable report'])
  })

  it('reads as one line', () => {
    const one = { passed: 1, failed: 0, skipped: 1 }
    expect(describeTally(add(one, { passed: 0, failed: 2, skipped: 3 }))).toBe('1 passed, 2 failed')
  })
})
