import type { Dispatcher } from 'undici'
import { describe, expect, it } from 'vitest'
import { isHeaderSafe, WriteMark } from './write-mark.ts'

/** A request that is announced `times` times, as by a connection that closed in between. */
function dispatchThrough(mark: WriteMark, times: number) {
  const aborted: Error[] = []
  let begun = 0
  const controller: Dispatcher.DispatchController = {
    aborted: false,
    paused: false,
    reason: null,
    abort: (reason) => void aborted.push(reason),
    pause() {},
    resume() {},
  }
  const dispatch: Dispatcher.Dispatch = (_, handler) => {
    for (let n = 0; n < times; n++) handler.onRequestStart?.(controller, {})
    return true
  }
  mark.interceptor(dispatch)({ path: '/', method: 'POST' }, { onRequestStart: () => void begun++ })
  return { begun, aborted: aborted.length }
}

describe('WriteMark', () => {
  it('is unset until the request is about to be written', () => {
    const mark = new WriteMark()
    dispatchThrough(mark, 0)
    expect(mark.mayBeWritten).toBe(false)
    expect(dispatchThrough(mark, 1)).toEqual({ begun: 1, aborted: 0 })
    expect(mark.mayBeWritten).toBe(true)
  })

  it('never lets the same request be written a second time', () => {
    expect(dispatchThrough(new WriteMark(), 2)).toEqual({ begun: 1, aborted: 1 })
  })
})

describe('isHeaderSafe', () => {
  it.each([
    ['abc-123', true],
    ['a b', true],
    ['x', true],
    ['', false],
    [' a', false],
    ['a ', false],
    ['a\nb', false],
    ['a\tb', false],
    ['é', false],
    ['\u0000', false],
  ])('says of %j: %s', (value, safe) => {
    expect(isHeaderSafe(value)).toBe(safe)
  })
})
