import { describe, expect, it } from 'vitest'
import { formatProblem } from '../connector/problems.ts'
import { parseConnections } from './connections-file.ts'
import { shippedDir, world } from './outlets.suite.ts'

const config = { url: 'https://hooks.example.com/', secrets: ['whsec_c2hvcnQ='] }

describe('a secret of the right form that cannot sign', () => {
  it('is refused by its field when somebody enters it', async () => {
    const { registry, admin } = await world({ shippedDir })
    await registry.start()
    const refused = admin.create('a', { connector: 'webhook@1', config, enabled: true })
    await expect(refused).rejects.toMatchObject({ errors: [{ path: 'config.secrets', code: 'invalid_config' }] })
    await expect(refused).rejects.toThrow('found 5 bytes, expected whsec_')
    expect(await admin.connections()).toEqual([])
  })

  it('is refused with its line when a file holds it, and not repeated', async () => {
    const { registry } = await world({ shippedDir })
    await registry.start()
    const text = `connections:\n  a:\n    connector: webhook@1\n    config: ${JSON.stringify(config)}\n`
    const parsed = parseConnections(text, 'f.yaml', registry.catalog, {})
    const [problem, ...more] = parsed.ok ? [] : parsed.problems.map(formatProblem)
    expect(problem).toMatch(/^f\.yaml:4:\d+ connections\.a\.config\.secrets: found .*found 5 bytes/)
    expect(problem).not.toContain('c2hvcnQ')
    expect(more).toEqual([])
  })
})
