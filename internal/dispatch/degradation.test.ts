import { describe, expect, it } from 'vitest'
import { RecordingLogger, RecordingTelemetry } from '../testkit/telemetry.ts'
import { Degradation } from './degradation.ts'

function setup() {
  const logger = new RecordingLogger()
  const telemetry = new RecordingTelemetry()
  const said = () => logger.lines.map(({ level, message }) => `${level} ${message.split(':')[0]}`)
  return { degradation: new Degradation({ logger, telemetry }), logger, telemetry, said }
}

describe('degradation', () => {
  it('is told once per change: a line, a metric, and what is done without', () => {
    const { degradation, telemetry, said } = setup()
    for (const degraded of [false, false, true, true, false]) degradation.set('rabbitmq', degraded)
    expect(said()).toEqual(['warn dispatch is degraded', 'info dispatch is back to normal'])
    expect(telemetry.calls.dispatchDegraded).toEqual([
      ['rabbitmq', false],
      ['rabbitmq', true],
      ['rabbitmq', false],
    ])
  })

  it('names everything that is away', () => {
    const { degradation } = setup()
    expect(degradation.without).toEqual([])
    degradation.set('rabbitmq', true)
    degradation.set('redis', true)
    expect(degradation.without).toEqual(['rabbitmq', 'redis'])
    degradation.set('rabbitmq', false)
    expect(degradation.without).toEqual(['redis'])
  })

  it('is true from the start while a dependency has not come yet, without a line of its own', () => {
    const { degradation, said } = setup()
    degradation.set('rabbitmq', true)
    expect(degradation.without).toEqual(['rabbitmq'])
    expect(said()).toEqual([])
  })
})
