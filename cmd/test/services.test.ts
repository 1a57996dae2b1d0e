import { describe, expect, it } from 'vitest'
import { findServices } from './services.ts'

describe('servers for the tests', () => {
  it('are those that the environment names: nothing is started beside them', async () => {
    const env = { TEST_DATABASE_URL: 'postgres://a', TEST_REDIS_URL: 'redis://b', TEST_RABBITMQ_URL: 'amqp://c' }
    const lines: string[] = []
    const open = await findServices(
      env,
      (line) => lines.push(line),
      () => lines.push('started'),
    )
    const services = await open()
    await services.stop()
    expect(services.env).toEqual({})
    expect(lines).toEqual([])
  })
})
