import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { type SinkOptions, startSink } from './server.ts'

async function setup(options: SinkOptions = {}) {
  const sink = await startSink(options)
  onTestFinished(() => sink.close())
  async function post(
    path: string,
    { content = 'hello', key = 'key-1', signal }: { content?: string; key?: string; signal?: AbortSignal } = {},
  ) {
    return fetch(sink.url + path, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'content-type': 'application/json', 'idempotency-key': key, 'x-correlation-id': 'corr' },
      body: JSON.stringify({ to: '+49', channel: 'sms', content }),
      ...(signal === undefined ? {} : { signal }),
    })
  }
  async function statuses(path: string, times: number, content?: string, key?: string) {
    const found: number[] = []
    for (let n = 0; n < times; n++) {
      const response = await post(path, {
        ...(content === undefined ? {} : { content }),
        ...(key === undefined ? {} : { key }),
      })
      await response.arrayBuffer()
      found.push(response.status)
    }
    return found
  }
  async function control(method: string, path: string, body?: unknown) {
    const response = await fetch(`${sink.url}/_sink/${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const answer: unknown = await response.json()
    return { status: response.status, answer }
  }
  return { sink, post, statuses, control }
}

describe('sink', () => {
  it('accepts with a new message id and records what it got', async () => {
    const { sink, post } = await setup()
    const response = await post('/')
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ messageId: expect.stringMatching(/^[0-9a-f-]{36}$/) })
    expect(sink.received()).toEqual([
      {
        index: 0,
        at: expect.any(Number),
        answeredAt: expect.any(Number),
        status: 200,
        key: 'key-1',
        delivery: 1,
        path: '/',
        correlationId: 'corr',
        traceparent: null,
        to: '+49',
        channel: 'sms',
        content: 'hello',
        contentLength: 5,
      },
    ])
  })

  it('answers the status of the path, with Retry-After when asked', async () => {
    const { post } = await setup()
    expect((await post('/status/503')).status).toBe(503)
    const limited = await post('/status/429?retry-after=7')
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '7'])
    expect((await post('/status/204')).status).toBe(204)
    const redirect = await post('/redirect')
    expect([redirect.status, redirect.headers.get('location')]).toEqual([302, '/'])
    const inHeader = await post('/messageid-header')
    expect([inHeader.status, inHeader.headers.get('x-request-id')]).toEqual([
      200,
      expect.stringMatching(/^[0-9a-f-]{36}$/),
    ])
  })

  it('runs a sequence per key, the last answer repeating', async () => {
    const { statuses } = await setup()
    expect(await statuses('/script/503,429,200', 4)).toEqual([503, 429, 200, 200])
    expect(await statuses('/script/503,429,200', 1, 'hello', 'other')).toEqual([503])
  })

  it('lets the content of one notification decide over the path', async () => {
    const { statuses } = await setup()
    expect(await statuses('/', 3, 'late news [sink 503 503 200]')).toEqual([503, 503, 200])
    expect(await statuses('/', 1, 'good news')).toEqual([200])
  })

  it('says what is wrong with a script instead of accepting', async () => {
    const { post } = await setup()
    const response = await post('/', { content: '[sink 5o3]' })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: 'the sink does not know "5o3"' })
    expect((await post('/nowhere')).status).toBe(404)
  })

  it('can be switched off and on again for all', async () => {
    const { statuses, control } = await setup()
    expect(await statuses('/', 1)).toEqual([200])
    expect(await control('POST', 'behaviour', { script: '503' })).toEqual({ status: 200, answer: { script: '503' } })
    expect(await statuses('/', 2)).toEqual([503, 503])
    expect(await statuses('/', 1, '[sink 418]')).toEqual([418])
    await control('POST', 'behaviour', { script: '500,200' })
    expect(await statuses('/', 2)).toEqual([500, 200])
    await control('POST', 'behaviour', { script: null })
    expect(await statuses('/', 1)).toEqual([200])
    expect(await control('POST', 'behaviour', { script: 'x' })).toMatchObject({ status: 400 })
    expect(await control('POST', 'behaviour', {})).toMatchObject({ status: 400 })
  })

  it('breaks the connection for reset and drop, and keeps it open without an answer for hang', async () => {
    const { sink, post } = await setup()
    await expect(post('/reset')).rejects.toThrow()
    await expect(post('/drop')).rejects.toThrow()
    await expect(post('/', { content: '[sink drop]' })).rejects.toThrow()
    const abort = new AbortController()
    const hanging = post('/hang', { signal: abort.signal })
    await vi.waitFor(() => expect(sink.count()).toBe(4))
    abort.abort()
    await expect(hanging).rejects.toThrow()
    expect(sink.received().map((one) => [one.path, one.status, one.to])).toEqual([
      ['/reset', null, '+49'],
      ['/drop', null, null],
      ['/', null, '+49'],
      ['/hang', null, '+49'],
    ])
  })

  it('answers slowly, and records no answer when the client left first', async () => {
    const { sink, post, control } = await setup()
    expect((await post('/slow/30')).status).toBe(200)
    const [answered] = sink.received()
    expect((answered?.answeredAt ?? 0) - (answered?.at ?? 0)).toBeGreaterThanOrEqual(29)
    const abort = new AbortController()
    const left = post('/slow/60000', { signal: abort.signal })
    await vi.waitFor(() => expect(sink.count()).toBe(2))
    abort.abort()
    await expect(left).rejects.toThrow()
    await vi.waitFor(async () => {
      expect(await control('GET', 'count')).toEqual({
        status: 200,
        answer: { received: 2, byStatus: { '200': 1, none: 1 } },
      })
    })
  })

  it('drips and sends huge bodies of the size asked for', async () => {
    const { post } = await setup()
    expect(await (await post('/drip?bytes=3&every=1')).text()).toBe('...')
    expect((await (await post('/huge?bytes=300000')).arrayBuffer()).byteLength).toBe(300_000)
  })

  it('drips many bytes with a single look at the connection`s end', async () => {
    const { post } = await setup()
    const warned = vi.fn()
    process.on('warning', warned)
    onTestFinished(() => void process.off('warning', warned))
    expect(await (await post('/drip?bytes=40&every=0')).text()).toBe('.'.repeat(40))
    expect(warned).not.toHaveBeenCalled()
  })

  it('shows what it received, from any index on, and forgets it on reset', async () => {
    const { statuses, control } = await setup()
    await statuses('/script/503,200', 3)
    expect(await control('GET', 'received?since=1')).toMatchObject({
      status: 200,
      answer: { entries: [{ index: 1, status: 200, delivery: 2 }, { index: 2 }], next: 3, count: 3 },
    })
    expect(await control('GET', 'received?since=3')).toMatchObject({ answer: { entries: [], next: 3 } })
    await control('POST', 'reset')
    expect(await control('GET', 'count')).toEqual({ status: 200, answer: { received: 0, byStatus: {} } })
    expect(await statuses('/script/503,200', 1)).toEqual([503])
    expect(await control('GET', 'nothing')).toMatchObject({ status: 404 })
  })

  it('has written each delivery to the log file before its answer arrives', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sink-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const logFile = join(folder, 'deliveries.jsonl')
    const { statuses } = await setup({ logFile, maxKept: 0 })
    for (let n = 1; n <= 3; n++) {
      await statuses('/', 1)
      expect(readFileSync(logFile, 'utf8').trimEnd().split('\n')).toHaveLength(n)
    }
  })

  it('refuses a body that is too big', async () => {
    const { statuses } = await setup()
    expect(await statuses('/', 1, 'x'.repeat(1_048_577))).toEqual([413])
  })

  it('closes although a delivery hangs, and twice does no harm', async () => {
    const { sink, post } = await setup()
    const hanging = post('/hang')
    hanging.catch(() => undefined)
    await vi.waitFor(() => expect(sink.count()).toBe(1))
    await Promise.all([sink.close(), sink.close()])
    await expect(hanging).rejects.toThrow()
    await expect(post('/')).rejects.toThrow()
  })
})
