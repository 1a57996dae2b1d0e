import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../internal/config/load.ts'
import { isStopFailpoint } from '../../internal/domain/failpoint.ts'
import { PinoLogger } from '../../internal/telemetry/logger.ts'
import { wire } from './wire.ts'

const external = {
  DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
  RABBITMQ_URL: 'amqp://127.0.0.1:1',
  REDIS_URL: 'redis://127.0.0.1:1',
  WEBHOOK_SITE_URL: 'http://127.0.0.1:1/',
}

/** Puts the process together and starts nothing. */
function wired(environment: Readonly<Record<string, string>>) {
  const stream = new PassThrough()
  const logger = new PinoLogger({ level: 'info', format: 'json', version: '0', stream })
  const input = {
    databaseUrl: external.DATABASE_URL,
    webhookUrl: external.WEBHOOK_SITE_URL,
    logger,
    instanceId: 'test',
    version: '0',
    environment: {},
  }
  const { components } = wire(loadConfig(environment), input)
  return { components, log: String(stream.read() ?? '') }
}

describe('wire', () => {
  it.each([
    { EMBEDDED: '1' },
    external,
    { ...external, APP_ROLE: 'worker' },
    { ...external, APP_ROLE: 'api,scheduler' },
  ])('gives every component of %j a failpoint at its stop', (environment) => {
    const { components } = wired(environment)
    expect(components.length).toBeGreaterThan(5)
    expect(components.map(({ name }) => `stop.${name}`).filter((name) => !isStopFailpoint(name))).toEqual([])
  })

  it('warns loudly when failpoints are set, with the seed that repeats them, and not otherwise', () => {
    const { log } = wired({ ...external, FAILPOINTS: 'claim.after=kill@0.01;ack=drop', FAILPOINT_SEED: '7' })
    expect(log).toContain('BREAKS ON PURPOSE')
    expect(log).toContain('"points":"claim.after, ack","seed":7')
    expect(wired(external).log).not.toContain('FAILPOINTS')
  })
})
