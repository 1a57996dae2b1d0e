import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { setup } from './app.suite.ts'
import { openApiDocument } from './openapi.ts'

const reference = z.string().regex(/^#\/components\/schemas\/\w+$/)
const media = z.record(z.string(), z.object({ schema: z.record(z.string(), z.unknown()) }))
const operation = z.object({
  operationId: z.string().min(1),
  summary: z.string().min(1),
  tags: z.array(z.string()).min(1),
  parameters: z.array(z.object({ name: z.string(), in: z.enum(['path', 'query', 'header']) })).optional(),
  requestBody: z.object({ content: media }).optional(),
  responses: z.record(
    z.string().regex(/^[1-5]\d\d$/),
    z.object({ description: z.string().min(1), content: media.optional() }),
  ),
})
const shape = z.object({
  openapi: z.string().regex(/^3\.1\.\d$/),
  info: z.object({ title: z.string(), version: z.string() }),
  paths: z.record(z.string().startsWith('/'), z.partialRecord(z.enum(['get', 'post', 'put', 'delete']), operation)),
  components: z.object({ schemas: z.record(z.string(), z.unknown()) }),
})

function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, child]) =>
    key === '$ref' ? [reference.parse(child)] : references(child),
  )
}

describe('the OpenAPI document', () => {
  const document: unknown = JSON.parse(JSON.stringify(openApiDocument('1.2.3')))
  const { paths, components, info } = shape.parse(document)
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, found]) => ({ path, method, found })),
  )

  it('has the shape of 3.1, with the version it was given', () => {
    expect(info.version).toBe('1.2.3')
  })

  it('resolves every reference', () => {
    const known = Object.keys(components.schemas).map((name) => `#/components/schemas/${name}`)
    const used = references(document)
    expect(used.length).toBeGreaterThan(20)
    expect(used.filter((one) => !known.includes(one))).toEqual([])
  })

  it('documents every route of the app, and no other', () => {
    const { app } = setup()
    const served = app.routes
      .filter((route) => route.method !== 'ALL' && !route.path.startsWith('/docs') && route.path !== '/openapi.json')
      .map((route) => `${route.method.toLowerCase()} ${route.path.replaceAll(/:(\w+)/g, '{$1}')}`)
    expect(operations.map(({ path, method }) => `${method} ${path}`).sort()).toEqual([...new Set(served)].sort())
  })

  it('names every path parameter, and gives each operation its own id', () => {
    for (const { path, found } of operations) {
      const named = (found?.parameters ?? []).filter((one) => one.in === 'path').map((one) => `{${one.name}}`)
      expect([path, named]).toEqual([path, path.match(/\{\w+\}/g) ?? []])
    }
    const ids = operations.map(({ found }) => found?.operationId)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('states the limits of the request', () => {
    expect(components.schemas['CreateNotification']).toMatchObject({
      required: ['channel', 'recipient', 'content'],
      properties: {
        channel: { enum: ['SMS', 'EMAIL', 'PUSH', 'WEBHOOK', 'CHAT', 'INCIDENT'] },
        recipient: { minLength: 1, maxLength: 2_048 },
        content: { minLength: 1, maxLength: 65_536 },
        title: { minLength: 1, maxLength: 255 },
        html: { maxLength: 100_000 },
        data: { type: 'object' },
        provider: { pattern: '^[a-z0-9][a-z0-9-]{0,62}$' },
        maxRetries: { type: ['integer', 'null'], maximum: 100 },
        scheduledAt: { type: 'string', format: 'date-time' },
        tags: { maxItems: 20, items: { maxLength: 64 } },
        metadata: { type: 'object' },
      },
    })
  })
})

describe('/openapi.json and /docs', () => {
  it('serve the document and a page that loads only from here', async () => {
    const { send } = setup()
    expect(shape.parse(await (await send('/openapi.json')).json()).info.version).toBe('0.1.0')
    const page = await send('/docs')
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'")
    const text = await page.text()
    const sources = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '')
    expect(sources).toEqual(['data:,', 'docs/swagger-ui.css', 'docs/swagger-ui-bundle.js', 'docs/init.js'])
    for (const source of sources.slice(1)) {
      const asset = await send(`/${source}`)
      expect([source, asset.status]).toEqual([source, 200])
      expect(asset.headers.get('content-type')).toMatch(/^text\/(css|javascript); charset=utf-8$/)
      expect((await asset.text()).length).toBeGreaterThan(100)
    }
  })
})
