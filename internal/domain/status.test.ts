import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchStatus } from './batch.ts'
import { statuses } from './notification.ts'
import { canMove, isFinished, transitions } from './status.ts'

const anyStatus = fc.constantFrom(...statuses)

describe('status', () => {
  it('SENT and CANCELED are left by nothing', () => {
    expect(transitions.SENT).toEqual([])
    expect(transitions.CANCELED).toEqual([])
  })

  it('only an unclaimed notification can be canceled', () => {
    expect(statuses.filter((from) => canMove(from, 'CANCELED'))).toEqual(['ACCEPTED', 'QUEUED'])
  })

  it('only a QUEUED notification can be claimed', () => {
    expect(statuses.filter((from) => canMove(from, 'SENDING'))).toEqual(['QUEUED'])
  })

  it('every status but the final ones leads to an end', () => {
    fc.assert(
      fc.property(anyStatus, (from) => {
        const reached = new Set([from])
        for (const one of reached) for (const to of transitions[one]) reached.add(to)
        return [...reached].some(isFinished)
      }),
    )
  })
})

describe('batch status', () => {
  const anyCounts = fc.uniqueArray(fc.record({ status: anyStatus, count: fc.nat(1_000) }), {
    selector: (one) => one.status,
    minLength: 1,
  })

  it('is PROCESSING exactly while a row is unfinished', () => {
    fc.assert(
      fc.property(anyCounts, (counts) => {
        const unfinished = counts.some((one) => one.count > 0 && !isFinished(one.status))
        expect(batchStatus(counts) === 'PROCESSING').toBe(unfinished)
      }),
    )
  })

  it('is PARTIAL_FAILURE when all are finished and one FAILED, CANCELED counts as finished', () => {
    expect(
      batchStatus([
        { status: 'SENT', count: 3 },
        { status: 'FAILED', count: 1 },
      ]),
    ).toBe('PARTIAL_FAILURE')
    expect(
      batchStatus([
        { status: 'SENT', count: 3 },
        { status: 'CANCELED', count: 1 },
      ]),
    ).toBe('COMPLETED')
    expect(
      batchStatus([
        { status: 'SENT', count: 3 },
        { status: 'FAILED', count: 0 },
      ]),
    ).toBe('COMPLETED')
  })
})
