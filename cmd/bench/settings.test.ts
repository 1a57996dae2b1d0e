import { describe, expect, it } from 'vitest'
import { readSettings } from './settings.ts'

describe('readSettings', () => {
  it('runs everything three times unless told otherwise', () => {
    const settings = readSettings({}, '/tmp')
    expect(settings).toMatchObject({
      repeats: 3,
      scale: 1,
      peers: true,
      history: 1_000_000,
      profile: false,
      baseline: null,
    })
    expect(settings.scenarios).toContain('drain')
    expect(settings.folder).toMatch(/^\/tmp\/dispatch-bench-/)
  })

  it('takes settings of the engine as pairs', () => {
    const { engineSettings } = readSettings({ ENGINE: ' DB_POOL_MAX=6  WORKER_CONCURRENCY=128' }, '/tmp')
    expect(engineSettings).toEqual({ DB_POOL_MAX: '6', WORKER_CONCURRENCY: '128' })
  })

  it.each([
    { SCENARIOS: 'drain,nonsense' },
    { REPEATS: '0' },
    { QUICK: 'maybe' },
    { HISTORY: '5' },
    { ENGINE: 'no pairs' },
  ])('refuses %o and names the field', (env) => {
    expect(() => readSettings(env, '/tmp')).toThrow(Object.keys(env)[0])
  })
})
