import { Agent, request } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { type Answer, problemOf } from './harness/client.ts'
import { profiles } from './harness/profiles.ts'
import { plain, plainItems } from './harness/requests.ts'
import { useWorld, type World } from './harness/world.ts'

/** As usual clients do: a server may cut a connection that is not kept while the rest of a refused body still comes. */
const agent = new Agent({ keepAlive: true })
const json = { 'content-type': 'application/json' }
const single = '/v1/notifications'
const batch = '/v1/notifications/batch'
const unknownId = '01890a5d-ac96-774b-bcce-b302099a8057'

type Line = readonly [what: string, path: string, body: string | Uint8Array, status: number, field: string]

const bodyWith = (fields: Readonly<Record<string, unknown>>) => JSON.stringify(plain(fields))
const batchOf = (notifications: readonly unknown[]) => JSON.stringify({ notifications })
/** Escapes are written out, so that the bytes on the wire are exactly these. */
const raw = (content: string) => `{"channel":"SMS","recipient":"+15550000100","content":"${content}"}`

const bodies: readonly Line[] = [
  ['a wrong channel', single, bodyWith({ channel: 'FAX' }), 400, 'channel'],
  ['a wrong priority', single, bodyWith({ priority: 'URGENT' }), 400, 'priority'],
  ['empty content', single, bodyWith({ content: '   ' }), 400, 'content'],
  ['over-long SMS content', single, bodyWith({ content: 'x'.repeat(161) }), 400, 'content'],
  ['over-long PUSH content', single, bodyWith({ channel: 'PUSH', content: 'x'.repeat(241) }), 400, 'content'],
  ['over-long EMAIL content', single, bodyWith({ channel: 'EMAIL', content: 'x'.repeat(10_001) }), 400, 'content'],
  ['an empty recipient', single, bodyWith({ recipient: '' }), 400, 'recipient'],
  ['an over-long recipient', single, bodyWith({ recipient: 'r'.repeat(321) }), 400, 'recipient'],
  ['an over-long key', single, bodyWith({ idempotencyKey: 'k'.repeat(256) }), 400, 'idempotencyKey'],
  ['an over-long correlation id', single, bodyWith({ correlationId: 'c'.repeat(129) }), 400, 'correlationId'],
  ['a wrong date', single, bodyWith({ scheduledAt: 'tomorrow' }), 400, 'scheduledAt'],
  ['a day that does not exist', single, bodyWith({ scheduledAt: '2030-02-30T00:00:00Z' }), 400, 'scheduledAt'],
  ['an expiry in the past', single, bodyWith({ expiresAt: '2020-01-01T00:00:00Z' }), 400, 'expiresAt'],
  ['too large a budget', single, bodyWith({ maxRetries: 101 }), 400, 'maxRetries'],
  ['a budget that is no number', single, bodyWith({ maxRetries: 'five' }), 400, 'maxRetries'],
  ['NUL as an escape', single, raw('a\\u0000b'), 400, 'content'],
  ['NUL as a byte', single, raw('a\u0000b'), 400, 'body'],
  ['a lone surrogate as an escape', single, raw('a\\ud800b'), 400, 'content'],
  ['a lone surrogate as bytes', single, Buffer.from(raw('a\u00ed\u00a0\u0080b'), 'latin1'), 400, 'body'],
  ['bytes that are not UTF-8', single, Buffer.from(raw('\u00ff\u00fe'), 'latin1'), 400, 'body'],
  ['invalid JSON', single, '{"channel":"SMS",', 400, 'body'],
  ['no body', single, '', 400, 'body'],
  ['a list for one', single, '[]', 400, 'body'],
  ['null', single, 'null', 400, 'body'],
  ['JSON of 5,000 levels', single, `{"metadata":${'['.repeat(5_000)}${']'.repeat(5_000)}}`, 400, 'body'],
  ['a key that reaches into prototypes', single, '{"__proto__":{"channel":"SMS"}}', 400, '__proto__'],
  ['a body of 2 MiB', single, bodyWith({ content: 'x'.repeat(2 * 1024 * 1024) }), 413, ''],
  ['a batch of 11 MiB', batch, batchOf([plain({ content: 'x'.repeat(11 * 1024 * 1024) })]), 413, ''],
  ['0 items', batch, batchOf([]), 400, 'notifications'],
  ['1,001 items', batch, batchOf(plainItems(1_001)), 400, 'notifications'],
  ['no items', batch, '{}', 400, 'notifications'],
  ['items that are no list', batch, '{"notifications":{}}', 400, 'notifications'],
  [
    'one bad item of three',
    batch,
    batchOf([plain(), plain({ channel: 'FAX' }), plain()]),
    400,
    'notifications[1].channel',
  ],
  ['an item that is no object', batch, batchOf([plain(), 7]), 400, 'notifications[1]'],
]

describe.each(profiles)('bad input ($name)', (profile) => {
  const world = useWorld(profile)
  afterAll(() => agent.destroy())

  it.each(bodies)('%s is refused with the field named', async (_what, path, body, status, field) => {
    const answer = await sendWhole(world, path, body)
    expect({ status: answer.status, text: answer.text }).toMatchObject({ status })
    expectField(answer, field)
  })

  it.each([
    ['no content type', {}],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['another charset', { 'content-type': 'application/json; charset=utf-16' }],
    ['a packed body', { ...json, 'content-encoding': 'gzip' }],
  ])('%s is a 415', async (_what, headers) => {
    const body = Buffer.from(JSON.stringify(plain())) // bytes, so that the client adds no type of its own
    const answer = await world.client.send('POST', single, headers, body)
    expect(answer.status).toBe(415)
    expect(problemOf(answer).code).toBe('unsupported_media_type')
  })

  it.each([
    ['GET', `${single}/${unknownId}`, 404],
    ['GET', `${single}/${unknownId}/attempts`, 404],
    ['POST', `${single}/${unknownId}/cancel`, 404],
    ['POST', `${single}/${unknownId}/replay`, 404],
    ['GET', `/v1/batches/${unknownId}`, 404],
    ['GET', `${single}/not-an-id`, 400],
    ['GET', `${single}/%00`, 400],
    ['GET', `${single}/%ff`, 400],
    ['POST', `${single}/42/cancel`, 400],
    ['POST', `${single}/42/replay`, 400],
    ['GET', '/v1/batches/42', 400],
    ['GET', '/v1/nothing', 404],
    ['DELETE', `${single}/${unknownId}`, 405],
    ['PUT', single, 405],
    ['GET', `${single}?status=DONE`, 400],
    ['GET', `${single}?page=0`, 400],
    ['GET', `${single}?pageSize=101`, 400],
    ['GET', `${single}?limit=0`, 400],
    ['GET', `${single}?cursor=garbage`, 400],
    ['GET', `${single}?batchId=42`, 400],
    ['GET', `${single}?from=yesterday`, 400],
    ['GET', `${single}?recipient=%00`, 400],
    ['GET', `${single}?recipient=%ff`, 400],
    ['GET', `${single}?pageSize=5&limit=5`, 400],
    ['GET', `${single}?unknown=1`, 400],
  ])('%s %s is a %i', async (method, path, status) => {
    const answer = await world.client.send(method, path)
    expect({ status: answer.status, text: answer.text }).toMatchObject({ status })
    expect(problemOf(answer).error).not.toBe('')
  })

  it.each([
    ['two different keys', { 'idempotency-key': 'a' }, single, plain({ idempotencyKey: 'b' }), 400],
    ['an over-long key', { 'idempotency-key': 'k'.repeat(256) }, single, plain(), 400],
    ['a key on a batch', { 'idempotency-key': 'a' }, batch, { notifications: [plain()] }, 400],
    ['an unknown field when strict', { prefer: 'handling=strict' }, single, plain({ recipent: 'x' }), 400],
  ])('headers: %s', async (_what, headers, path, body, status) => {
    expect((await world.client.post(path, body, headers)).status).toBe(status)
  })

  it('refuses or cuts a body that never ends, without reading on', async () => {
    const { status, sentBytes } = await sendEndless(world, single, 256 * 1024 * 1024)
    expect(status ?? 413).toBe(413)
    expect(sentBytes).toBeLessThan(64 * 1024 * 1024)
  })

  it('has stored nothing of all this, answered no 5xx, and lives', async () => {
    expect(await world.client.total()).toBe(0)
    expect(world.sink.count()).toBe(0)
    const lines = (await world.client.send('GET', '/metrics')).text.split('\n')
    const faults = lines.filter((line) => /http_requests_total\{.*status="5/.test(line))
    expect(faults.filter((line) => !line.includes('path="/readyz"'))).toEqual([]) // not ready yet is no fault
    expect(world.engine.isRunning).toBe(true)
    expect((await world.client.send('GET', '/readyz')).status).toBe(200)
  })
})

function expectField(answer: Answer, field: string): void {
  const { errors = [], error } = problemOf(answer)
  if (field === '') return
  const [first] = errors
  expect(first?.path === field || first?.path.startsWith(`${field}[`) || first?.path.startsWith(`${field}.`)).toBe(true)
  expect(error).toContain(field)
}

/** Bytes as they are: what is refused before its end must still be answered so that the client can read it. */
async function sendWhole(world: World, path: string, body: string | Uint8Array): Promise<Answer> {
  const sending = request(`${world.engine.url}${path}`, {
    method: 'POST',
    headers: { ...json, 'content-length': Buffer.byteLength(body) },
    agent,
  })
  const answered = readAnswer(sending)
  sending.end(body)
  return answered
}

/** @returns a null status when the connection was cut before the answer could be read. */
async function sendEndless(
  world: World,
  path: string,
  bytesMax: number,
): Promise<{ readonly status: number | null; readonly sentBytes: number }> {
  const sending = request(`${world.engine.url}${path}`, { method: 'POST', headers: json, agent: false })
  const answered = readAnswer(sending).then(
    ({ status }) => status,
    () => null,
  )
  const chunk = Buffer.alloc(256 * 1024, ' ')
  let sentBytes = 0
  function* endless() {
    for (; sentBytes < bytesMax; sentBytes += chunk.length) yield chunk
  }
  pipeline(Readable.from(endless()), sending).catch(() => undefined) // cut off, as it should be
  const status = await answered
  sending.destroy()
  return { status, sentBytes }
}

function readAnswer(sending: ReturnType<typeof request>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let answered = false
    sending.once('error', (error) => {
      if (!answered) reject(error)
    })
    sending.once('response', (response) => {
      answered = true
      let text = ''
      response.setEncoding('utf8').on('data', (more: string) => (text += more))
      response.once('error', reject)
      response.once('end', () => {
        resolve({
          status: response.statusCode ?? 0,
          header: (name) => String(response.headers[name] ?? ''),
          text,
          get json() {
            const value: unknown = JSON.parse(text)
            return value
          },
        })
      })
    })
  })
}
