import { describe, expect, it } from 'vitest'
import { ManualClock, settle } from '../testkit/manual-clock.ts'
import { RecordingLogger } from '../testkit/telemetry.ts'
import type { Component } from './component.ts'
import { runComponents, stopReserveMs } from './runner.ts'

const never = new Promise<void>(() => undefined)

function setup() {
  const clock = new ManualClock()
  const logger = new RecordingLogger()
  const events: string[] = []
  const shutdown = Promise.withResolvers<void>()
  function part(name: string, acts: Partial<Pick<Component, 'start' | 'stop'>> = {}): Component {
    return {
      name,
      start: async () => {
        events.push(`start ${name}`)
        await acts.start?.()
      },
      stop: async () => {
        events.push(`stop ${name}`)
        await acts.stop?.()
      },
    }
  }
  function run(components: readonly Component[]): Promise<boolean> {
    return runComponents(components, shutdown.promise, { clock, logger }, { stopBudgetMs: 10_000 })
  }
  return { clock, logger, events, shutdown, part, run }
}

describe('runComponents', () => {
  it('starts in order, waits, stops in reverse, and says that all went well', async () => {
    const { events, shutdown, part, run, logger } = setup()
    const running = run([part('a'), part('b'), part('c')])
    await settle()
    expect(events).toEqual(['start a', 'start b', 'start c'])
    shutdown.resolve()
    expect(await running).toBe(true)
    expect(events.slice(3)).toEqual(['stop c', 'stop b', 'stop a'])
    expect(logger.of('error')).toEqual([])
  })

  it('stops the half-started part and those before it when a start fails, and throws why', async () => {
    const { events, part, run } = setup()
    const fails = part('b', { start: () => Promise.reject(new Error('port 8080 is taken')) })
    await expect(run([part('a'), fails, part('c')])).rejects.toThrow('port 8080 is taken')
    expect(events).toEqual(['start a', 'start b', 'stop b', 'stop a'])
  })

  it('gives up a start that waits when told to stop', async () => {
    const { events, shutdown, part, run } = setup()
    const running = run([part('a'), part('waits', { start: () => never }), part('c')])
    await settle()
    shutdown.resolve()
    expect(await running).toBe(true)
    expect(events).toEqual(['start a', 'start waits', 'stop waits', 'stop a'])
  })

  it('logs a failed stop and stops the rest all the same', async () => {
    const { events, shutdown, part, run, logger } = setup()
    const running = run([part('a'), part('b', { stop: () => Promise.reject(new Error('stuck valve')) }), part('c')])
    await settle()
    shutdown.resolve()
    expect(await running).toBe(false)
    expect(events.slice(-3)).toEqual(['stop c', 'stop b', 'stop a'])
    expect(logger.of('error')).toMatchObject([{ fields: { component: 'b', reason: 'stuck valve' } }])
  })

  it('passes by a stop that hangs, keeping time back for those after it', async () => {
    const { clock, events, shutdown, part, run, logger } = setup()
    const running = run([part('a'), part('hangs', { stop: () => never })])
    await settle()
    shutdown.resolve()
    await clock.advance(10_000 - stopReserveMs - 1)
    expect(events).toEqual(['start a', 'start hangs', 'stop hangs'])
    await clock.advance(1)
    expect(await running).toBe(false)
    expect(events.at(-1)).toBe('stop a')
    expect(logger.of('error')).toMatchObject([{ fields: { component: 'hangs' } }])
    expect(clock.pending).toBe(0)
  })

  it('gives every part its reserve even when the budget is spent', async () => {
    const { clock, events, shutdown, part, run } = setup()
    const running = run([part('a', { stop: () => never }), part('b', { stop: () => never })])
    await settle()
    shutdown.resolve()
    await clock.advance(10_000 + stopReserveMs)
    expect(await running).toBe(false)
    expect(events.slice(-2)).toEqual(['stop b', 'stop a'])
  })

  it('stops everything when the wait for shutdown itself fails', async () => {
    const { events, shutdown, part, run } = setup()
    const running = run([part('a')])
    shutdown.reject(new Error('signal handler broke'))
    await expect(running).rejects.toThrow('signal handler broke')
    expect(events.at(-1)).toBe('stop a')
  })
})
