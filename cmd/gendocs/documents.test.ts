import { readFile } from 'node:fs/promises'
import { parse } from 'dotenv'
import { describe, expect, it } from 'vitest'
import { namesOf } from '../../internal/config/field.ts'
import { allFields } from '../../internal/config/fields.ts'
import { loadConfig } from '../../internal/config/load.ts'
import { documents } from './documents.ts'
import { renderEnvExample } from './env-example.ts'
import { renderSettingsPage } from './settings-page.ts'

const root = new URL('../../', import.meta.url)

describe('the generated documents', () => {
  it.each(documents)('$path is what the code makes today (else run: npx tsx cmd/gendocs/main.ts)', async (document) => {
    expect(await readFile(new URL(document.path, root), 'utf8')).toBe(await document.render())
  })

  it('name every setting and every alias', () => {
    const page = renderSettingsPage()
    const example = renderEnvExample()
    for (const field of allFields) {
      for (const name of namesOf(field)) expect(page).toContain(`\`${name}\``)
      expect(example).toMatch(new RegExp(`^#${field.env}=.`, 'm'))
      for (const alias of field.aliases) expect(example).toMatch(new RegExp(`Also:[^.]*${alias}`))
    }
  })

  it('give an example file that changes nothing, and starts with every line switched on', () => {
    expect(parse(renderEnvExample())).toEqual({})
    const everything = parse(renderEnvExample().replaceAll(/^#(?=[A-Z])/gm, ''))
    expect(Object.keys(everything).toSorted()).toEqual(allFields.map((field) => field.env).toSorted())
    const { warnings, ...config } = loadConfig(everything)
    expect(warnings).toEqual([expect.stringContaining('DATA_DIR')])
    const { DATABASE_URL, RABBITMQ_URL, REDIS_URL, WEBHOOK_SITE_URL } = everything
    const defaults = loadConfig({ DATABASE_URL, RABBITMQ_URL, REDIS_URL, WEBHOOK_SITE_URL })
    const { http, production, connections, egress } = config
    expect({ ...config, warnings: [] }).toEqual({ ...defaults, http, production, connections, egress })
    expect([http.port, http.host]).toEqual([defaults.http.port, defaults.http.host])
  })
})
