import { describe, expect, it } from 'vitest'
import type { Turn } from './figures.ts'
import { show, titleOf } from './figures.ts'
import { ratiosOf, reportOf } from './report.ts'
import { drain } from './scenarios/drain.ts'

function turn(contender: string, repeat: number, drainedPerSecond: number): Turn {
  return { scenario: 'drain', contender, repeat, figures: { drainedPerSecond } }
}

const turns = [
  turn('engine', 1, 9_000),
  turn('bullmq', 1, 6_000),
  turn('engine', 2, 12_000),
  turn('bullmq', 2, 6_000),
  turn('engine', 3, 10_000),
  { scenario: 'bare', contender: 'bare', repeat: 1, figures: { deliveredPerSecond: 20_000 } },
]
const machine = {
  at: '2026-01-01T00:00:00.000Z',
  commit: 'abc',
  processors: '2 × some',
  memoryGiB: 4,
  system: 'Linux',
  node: 'v24',
  postgres: '15',
  load1: 0,
}

describe('ratiosOf', () => {
  it('compares medians, and repeats one by one where both took part', () => {
    expect(ratiosOf([drain], turns)).toEqual([
      ['drain: engine / bullmq', '1.67 ×', '1.50, 2.00'],
      ['drain: engine / bare', '0.50 ×', '0.45'],
    ])
  })

  it('says nothing where the engine did not take part', () => {
    expect(ratiosOf([drain], [turn('bullmq', 1, 6_000)])).toEqual([])
  })
})

describe('reportOf', () => {
  it('shows median and spread of everybody, and what was set', () => {
    const report = reportOf(machine, { repeats: '3' }, [drain], turns)
    expect(report).toContain('| engine | 10,000 (9,000–12,000) |')
    expect(report).toContain('| bullmq | 6,000 |')
    expect(report).toContain('| commit | abc |')
    expect(report).toContain('| repeats | 3 |')
  })
})

describe('figures', () => {
  it('are titled and rounded by the unit at the end of their name', () => {
    expect(['endToEndPerSecond', 'p999Ms', 'serviceCpuUs', 'serviceBytes'].map(titleOf)).toEqual([
      'end to end, /s',
      'p999, ms',
      'service cpu, µs',
      'service, MiB',
    ])
    expect(show('aPerSecond', 12_345.6)).toBe('12,346')
    expect(show('aMs', 1.25)).toBe('1.3')
    expect(show('aCores', 0.0123)).toBe('0.012')
    expect(show('aBytes', 2 ** 21)).toBe('2')
  })
})
