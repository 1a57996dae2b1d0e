import { describe, expect, it } from 'vitest'
import { findTypos } from './typos.ts'

describe('findTypos', () => {
  it.each([
    ['RATE_LIMIT_PER_SECOND', 'RATE_LIMIT_PER_SEC'],
    ['RATE_LIMIT_SMS_PER_SECS', 'RATE_LIMIT_SMS_PER_SEC'],
    ['LOG_LEVL', 'LOG_LEVEL'],
    ['DB_SCHEME', 'DB_SCHEMA'],
    ['REDIS_URI', 'REDIS_URL'],
    ['api_port', 'API_PORT'],
    ['WORKER_CONCURENCY', 'WORKER_CONCURRENCY'],
  ])('takes %s for a misspelt %s', (name, meant) => {
    expect(findTypos({ [name]: 'a value' })).toEqual([`${name} is not a setting: did you mean ${meant}?`])
  })

  it('says nothing about settings, names of others, and what is empty', () => {
    const environment = {
      LOG_LEVEL: 'info',
      POSTGRES_USER: 'x',
      PROCESSING_LOCK_TTL_SECONDS: '60',
      HOME: '/root',
      PATH: '/bin',
      POST: '1',
      REDIS_SERVICE_HOST: '10.0.0.1',
      REDIS_PORT_6379_TCP: 'tcp://10.0.0.1:6379',
      DATABASE_PASSWORD: 'x',
      LOG_LEVL: ' ',
    }
    expect(findTypos(environment)).toEqual([])
  })
})
