import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { answer, type Ctx, type Route } from './context.ts'
import { openApiDocument } from './openapi.ts'
import { HttpProblem } from './problem.ts'

/** Files of swagger-ui-dist that the page needs. A build copies them to `swagger/` beside the compiled docs.js. */
export const swaggerFiles = ['swagger-ui.css', 'swagger-ui-bundle.js'] as const

const contentSecurityPolicy = [
  "default-src 'self'",
  "style-src 'self' 'unsafe-inline'", // Swagger UI sets style attributes
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Dispatch Engine API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/init.js"></script>
</body>
</html>
`

/** A file of its own, since the policy forbids inline scripts. Addresses are relative: a proxy may add a prefix. */
const init = `window.addEventListener('load', () => {
  SwaggerUIBundle({
    url: 'openapi.json',
    dom_id: '#swagger-ui',
    deepLinking: true,
    validatorUrl: null,
    defaultModelsExpandDepth: 0,
  })
})
`

/** The OpenAPI document, and a page that renders it without asking anybody outside. */
export function docsRoutes(version: string): readonly Route[] {
  let document: ReturnType<typeof openApiDocument> | null = null
  return [
    {
      path: '/openapi.json',
      methods: {
        GET(c) {
          document ??= openApiDocument(version)
          return answer(c, 200, document)
        },
      },
    },
    { path: '/docs', methods: { GET: (c) => asset(c, 'text/html', page) } },
    { path: '/docs/init.js', methods: { GET: (c) => asset(c, 'text/javascript', init) } },
    ...swaggerFiles.map((name): Route => {
      const type = name.endsWith('.css') ? 'text/css' : 'text/javascript'
      let content: Promise<string> | null = null
      return {
        path: `/docs/${name}`,
        methods: {
          async GET(c) {
            content ??= readSwaggerFile(name)
            const text = await content.catch(() => null)
            if (text !== null) return asset(c, type, text)
            content = null
            throw new HttpProblem('not_found', `${name} is not installed here; /openapi.json has the same content`)
          },
        },
      }
    }),
  ]
}

function asset(c: Ctx, type: string, text: string): Response {
  return new Response(text, {
    status: 200,
    headers: {
      'content-type': `${type}; charset=utf-8`,
      'content-security-policy': contentSecurityPolicy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-cache',
      'x-request-id': c.get('requestId'),
    },
  })
}

/** Compiled: from the folder beside this file. From source: from node_modules. */
async function readSwaggerFile(name: string): Promise<string> {
  try {
    return await readFile(new URL(`./swagger/${name}`, import.meta.url), 'utf8')
  } catch {
    const main = createRequire(fileURLToPath(import.meta.url)).resolve('swagger-ui-dist/package.json')
    return readFile(join(dirname(main), name), 'utf8')
  }
}
