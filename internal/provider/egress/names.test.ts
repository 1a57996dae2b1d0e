import type { LookupAddress } from 'node:dns'
import { describe, expect, it } from 'vitest'
import { ManualClock, settle } from '../../testkit/manual-clock.ts'
import { Names, type NamesSettings } from './names.ts'

const settings: NamesSettings = { timeoutMs: 3_000, cacheMs: 30_000, lookupsMax: 2, namesMax: 4 }
const address: LookupAddress = { address: '192.0.2.1', family: 4 }

/** A resolver whose look-ups the test ends one by one. */
function names(changes: Partial<NamesSettings> = {}) {
  const clock = new ManualClock()
  const asked: { readonly name: string; readonly answer: PromiseWithResolvers<readonly LookupAddress[]> }[] = []
  const lookup = (name: string) => {
    const answer = Promise.withResolvers<readonly LookupAddress[]>()
    asked.push({ name, answer })
    return answer.promise
  }
  const one = new Names({ ...settings, ...changes }, { clock, lookup })
  /** What becomes of a call, so that a test may look at it later. */
  const resolve = (name: string) => {
    const call: { result: unknown } = { result: 'pending' }
    one.resolve(name).then(
      (result) => (call.result = result),
      (error: unknown) => (call.result = error),
    )
    return call
  }
  const answer = async (at: number, addresses: readonly LookupAddress[] = [address]) => {
    asked[at]?.answer.resolve(addresses)
    await settle()
  }
  return { clock, names: one, resolve, answer, asked: () => asked.map(({ name }) => name), refuse: asked }
}

describe('Names', () => {
  it('ask once for all who want the same name, and keep the answer for its time', async () => {
    const { clock, resolve, answer, asked } = names()
    const calls = [resolve('a'), resolve('a')]
    await settle()
    await answer(0)
    expect(calls.map(({ result }) => result)).toEqual([[address], [address]])
    await clock.advance(29_999)
    resolve('a')
    await settle()
    expect(asked()).toEqual(['a'])
    await clock.advance(1)
    resolve('a')
    await settle()
    expect(asked()).toEqual(['a', 'a'])
  })

  it('keep no answer without a time, nor one that led nowhere, nor a failure', async () => {
    const { names: one, resolve, answer, asked, refuse } = names()
    resolve('a')
    await settle()
    await answer(0)
    one.forget('a')
    const failing = resolve('a')
    await settle()
    refuse[1]?.answer.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' }))
    await settle()
    expect(failing.result).toMatchObject({ code: 'ENOTFOUND' })
    resolve('a')
    await settle()
    expect(asked()).toEqual(['a', 'a', 'a'])

    const uncached = names({ cacheMs: 0 })
    for (let at = 0; at < 2; at++) {
      uncached.resolve('b')
      await settle()
      await uncached.answer(at)
    }
    expect(uncached.asked()).toEqual(['b', 'b'])
  })

  it('look up few names at once, and give an answer or a reason in time', async () => {
    const { clock, resolve, answer, asked } = names()
    const calls = ['a', 'b', 'c'].map(resolve)
    await settle()
    expect(asked()).toEqual(['a', 'b'])
    await clock.advance(3_000)
    for (const { result } of calls) expect(result).toMatchObject({ code: 'EAI_AGAIN' })
    expect(clock.pending).toBe(0)
    // The two are still under way: a look-up cannot be called off. Nobody wants c any more.
    resolve('d')
    await settle()
    expect(asked()).toEqual(['a', 'b'])
    await answer(0)
    expect(asked()).toEqual(['a', 'b', 'd'])
    expect(await resolveNow(resolve, 'a')).toEqual([address])
  })

  it('turn names away when too many wait', async () => {
    const { resolve } = names()
    const calls = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map(resolve)
    await settle()
    const refused = calls.map(({ result }) => result instanceof Error)
    expect(refused).toEqual([false, false, false, false, false, false, true])
  })

  it('forget the oldest answers beyond their bound', async () => {
    const { resolve, answer, asked } = names({ namesMax: 2 })
    for (const [at, name] of ['a', 'b', 'c'].entries()) {
      resolve(name)
      await settle()
      await answer(at)
    }
    resolve('c')
    resolve('b')
    resolve('a')
    await settle()
    expect(asked()).toEqual(['a', 'b', 'c', 'a'])
  })
})

async function resolveNow(resolve: (name: string) => { result: unknown }, name: string): Promise<unknown> {
  const call = resolve(name)
  await settle()
  return call.result
}
