import { expect, it } from 'vitest'
import { runLanes } from './lanes.ts'

it('runs lanes side by side, and the steps of each one after another', async () => {
  const log: string[] = []
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const step = (name: string, until: Promise<void>) => async () => {
    log.push(`${name} begins`)
    await until
    return name
  }
  const running = runLanes([[step('a1', first.promise), step('a2', second.promise)], [step('b1', second.promise)]])
  expect(log).toEqual(['a1 begins', 'b1 begins'])
  first.resolve()
  await Promise.resolve()
  second.resolve()
  expect(await running).toEqual(['a1', 'a2', 'b1'])
  expect(log).toEqual(['a1 begins', 'b1 begins', 'a2 begins'])
})
