import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { renderOpenApi } from './openapi.ts'

const root = new URL('../../', import.meta.url)

it('docs/openapi.json is what the schemas say', async () => {
  const manifest = z
    .object({ version: z.string() })
    .parse(JSON.parse(await readFile(new URL('package.json', root), 'utf8')))
  expect(await readFile(new URL('docs/openapi.json', root), 'utf8')).toBe(renderOpenApi(manifest.version))
})
