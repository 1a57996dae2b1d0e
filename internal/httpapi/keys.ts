import { createHash, timingSafeEqual } from 'node:crypto'
import type { Ctx } from './context.ts'
import { HttpProblem } from './problem.ts'

/**
 * Lets a request pass when it brings the key as `Authorization: Bearer` or `X-API-Key`. Digests are compared, so that
 * neither the time taken nor the length tells anything about the key.
 * @throws HttpProblem 401
 */
export function makeKeyCheck(apiKey: string | null): (c: Ctx) => void {
  if (apiKey === null) return () => undefined
  const expected = digest(apiKey)
  return (c) => {
    const bearer = /^bearer +(.+)$/i.exec(c.req.header('authorization') ?? '')?.[1]?.trim()
    const given = [bearer, c.req.header('x-api-key')?.trim()].filter((key) => key !== undefined && key !== '')
    if (given.some((key) => key !== undefined && timingSafeEqual(digest(key), expected))) return
    const found = given.length === 0 ? 'none was sent' : 'the one sent is not valid'
    throw new HttpProblem('unauthorized', `send the API key as "Authorization: Bearer …" or "X-API-Key"; ${found}`, {
      headers: { 'www-authenticate': 'Bearer realm="dispatch-engine"' },
    })
  }
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
