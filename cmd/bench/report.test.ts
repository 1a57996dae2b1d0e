import { describe, expect, it } from 'vitest'
import type { Turn } from './figures.ts'
import { show, titleOf } from './figures.ts'
import { ratiosOf, reportOf } from './report.ts'
import { drain } from './scenarios/drain.ts'
import { embedded } from './scenarios/embedded.ts'
import { history } from './scenarios/history.ts'

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
  rabbitmq: '3.10',
  redis: '7.0',
  load1: 0,
}

describe('ratiosOf', () => {
  it('compares medians, and repeats one by one where both took part', () => {
    expect(ratiosOf([drain], turns)).toEqual([
      ['drain: engine / bullmq', '1.67 ×', '1.50, 2.00'],
      ['drain: engine / bare', '0.50 ×', '0.45'],
    ])
  })

  it('compares the variants with the engine, not the engine with them', () => {
    const done = turns.map((one) => ({ ...one, scenario: 'embedded' }))
    const variant = { scenario: 'embedded', contender: 'embedded', repeat: 1, figures: { drainedPerSecond: 4_500 } }
    expect(ratiosOf([embedded], [...done.filter(({ contender }) => contender === 'engine'), variant])).toEqual([
      ['embedded: embedded / engine', '0.45 ×', '0.50'],
    ])
  })

  it('says nothing where the engine did not take part', () => {
    expect(ratiosOf([drain], [turn('bullmq', 1, 6_000)])).toEqual([])
  })
})

describe('reportOf', () => {
  it('shows median and spread of everybody, and what was set', () => {
    const report = reportOf(machine, { repeats: '3' }, [drain, history], {
      done: turns,
      skipped: { history: 'no room' },
    })
    expect(report).toContain('| engine | 10,000 (9,000–12,000) |')
    expect(report).toContain('| bullmq | 6,000 |')
    expect(report).toContain('| commit | abc |')
    expect(report).toContain('| rabbitmq | 3.10 |')
    expect(report).toContain('| repeats | 3 |')
  })

  it('says why a scenario was skipped', () => {
    const report = reportOf(machine, {}, [history], { done: [], skipped: { history: 'no room' } })
    expect(report).toContain('Skipped: no room.')
  })

  it('shows the conditions of a study side by side, and how much the last one differs from the first', () => {
    const key = { scenario: 'history', repeat: 1 }
    const done = [
      { ...key, contender: '0 finished', figures: { claimUs: 2_000, deadRows: 0 } },
      { ...key, contender: '10 finished', figures: { claimUs: 2_500, deadRows: 7 } },
    ]
    const report = reportOf(machine, {}, [history], { done, skipped: {} })
    expect(report).toContain('| figure | 0 finished | 10 finished | last / first |')
    expect(report).toContain('| claim, µs | 2,000 | 2,500 | 1.25 × |')
    expect(report).toContain('| dead rows | 0 | 7 | – |')
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
    expect(show('aBytes', 2 ** 21)).toBe('2.0')
    expect(show('aBytes', 150 * 2 ** 20)).toBe('150')
    expect(show('p99Times', 1.234)).toBe('1.23')
  })
})
