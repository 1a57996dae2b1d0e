import { describe, expect, it } from 'vitest'
import { demoPort, demoSettings } from './settings.ts'

describe('the demonstration', () => {
  it('uses built-in parts, whatever servers the shell names', () => {
    const settings = demoSettings({
      DATABASE_URL: 'postgres://elsewhere/db',
      REDIS_URL: 'redis://x',
      PATH: '/bin',
      EMBEDDED: '0',
    })
    expect(settings).toEqual({ LOG_FORMAT: 'pretty', PATH: '/bin', EMBEDDED: '1' })
  })

  it('keeps the folder, the port and the log settings of the shell', () => {
    const environment = { DATA_DIR: '/data', API_PORT: '9000', LOG_FORMAT: 'json' }
    expect(demoSettings(environment)).toMatchObject(environment)
  })

  it('knows the port under each of its names', () => {
    expect([demoPort({}), demoPort({ PORT: '81' }), demoPort({ API_PORT: ' 82 ', PORT: '81' })]).toEqual([8080, 81, 82])
    expect(demoPort({ API_PORT: '', APP_PORT: '83' })).toBe(83)
  })
})
