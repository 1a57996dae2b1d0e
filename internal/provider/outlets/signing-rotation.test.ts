import { randomBytes } from 'node:crypto'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { Webhook } from 'standardwebhooks'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { aMessage, folder, listen, shippedDir, world } from './outlets.suite.ts'

const newSecret = () => `whsec_${randomBytes(32).toString('base64')}`
const [first, second, third] = [newSecret(), newSecret(), newSecret()]
const hourMs = 3_600_000
const { signal } = new AbortController()

/** A receiver that keeps what came. */
async function receiver() {
  const got: { readonly headers: IncomingHttpHeaders; readonly body: string }[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (piece: string) => (body += piece))
    request.on('end', () => {
      got.push({ headers: request.headers, body })
      response.end('{}')
    })
  })
  return { url: `${await listen(server)}/in`, got }
}

/** What the public library of receivers says to each secret. */
function judge({ headers, body }: { readonly headers: IncomingHttpHeaders; readonly body: string }) {
  const texts = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
  return [first, second, third].map((secret) => {
    try {
      new Webhook(secret).verify(body, texts)
      return true
    } catch {
      return false
    }
  })
}

async function setup(options: Parameters<typeof world>[0] = {}) {
  const { url, got } = await receiver()
  const all = await world({ shippedDir, ...options })
  const put = (secrets: unknown, more: Readonly<Record<string, string | number>> = {}) =>
    all.admin.replace(
      'hook',
      { connector: 'webhook@1', config: { url, ...asConfig(secrets), ...more }, enabled: true },
      null,
    )
  /** Which of the secrets verify a message that is sent now. */
  const signs = async () => {
    vi.setSystemTime(all.clock.now())
    await all.registry.outlet('hook')?.send(aMessage({ channel: 'WEBHOOK' }), signal)
    const last = got.at(-1)
    if (last === undefined) throw new Error('nothing came')
    return judge(last)
  }
  return { ...all, url, put, signs }
}

function asConfig(secrets: unknown) {
  return secrets === undefined ? {} : { secrets: JSON.parse(JSON.stringify(secrets)) }
}

async function started() {
  const all = await setup()
  await all.registry.start()
  const config = { url: all.url, secrets: [first] }
  await all.admin.create('hook', { connector: 'webhook@1', config, enabled: true })
  return all
}

describe('a signing secret that is replaced', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] })) // the library compares the timestamp with today
  afterEach(() => void vi.useRealTimers())

  it('signs beside the new one for a day, then stops by itself', async () => {
    const { put, signs, clock } = await started()
    expect(await signs()).toEqual([true, false, false])
    await put([second])
    expect(await signs()).toEqual([true, true, false])
    await clock.advance(24 * hourMs - 1)
    expect(await signs()).toEqual([true, true, false])
    await clock.advance(1)
    expect(await signs()).toEqual([false, true, false])
  })

  it('signs as long as the connection says, each for its own time', async () => {
    const { put, signs, clock } = await started()
    const grace = { secretGraceHours: 2 }
    await put([second], grace)
    await clock.advance(hourMs)
    await put([third], grace)
    expect(await signs()).toEqual([true, true, true])
    await clock.advance(hourMs)
    expect(await signs()).toEqual([false, true, true])
    await clock.advance(hourMs)
    expect(await signs()).toEqual([false, false, true])
  })

  it('keeps its end when the connection is changed otherwise meanwhile', async () => {
    const { put, signs, clock } = await started()
    await put([second])
    await clock.advance(23 * hourMs)
    await put(undefined, { eventType: 'order' })
    expect(await signs()).toEqual([true, true, false])
    await clock.advance(hourMs)
    expect(await signs()).toEqual([false, true, false])
  })

  it('stops at once without a grace time', async () => {
    const { put, signs } = await started()
    await put([second], { secretGraceHours: 0 })
    expect(await signs()).toEqual([false, true, false])
    await put([third])
    await put([third], { secretGraceHours: 0 })
    expect(await signs()).toEqual([false, false, true])
  })

  it('does not sign for another server than it was given for', async () => {
    const { put, signs } = await started()
    const other = await receiver()
    await put([second], { url: other.url })
    await signs().catch(() => undefined)
    expect(other.got.map(judge)).toEqual([[false, true, false]])
  })

  it('is not answered, nor is its end', async () => {
    const { admin, put } = await started()
    await put([second])
    expect(JSON.stringify(await admin.connections())).not.toMatch(/whsec_|until/)
  })

  it('ends in a file as the file says', async () => {
    const own = await folder()
    const file = own.of('connections.yaml')
    const { url, signs, clock, registry, tick } = await fromFile(file)
    const write = (secrets: readonly string[]) =>
      own.write(
        'connections.yaml',
        JSON.stringify({ connections: { hook: { connector: 'webhook@1', config: { url, secrets } } } }),
      )
    await write([first])
    await registry.start()
    const before = registry.outlet('hook')
    await write([second, `${first} until ${new Date(clock.now().getTime() + hourMs).toISOString()}`])
    await tick(() => registry.outlet('hook') !== before)
    expect(await signs()).toEqual([true, true, false])
    await clock.advance(hourMs)
    expect(await signs()).toEqual([false, true, false])
  })

  it.each([
    [[`${first} until 2026-11-22T15:00:00Z`], 'each of them ends, expected one without an end'],
    [[second, `${first} until noon`], 'what follows until is no time'],
  ])('is refused when it cannot sign (%#)', async (secrets, message) => {
    const { put } = await started()
    await expect(put(secrets)).rejects.toThrow(message)
    await expect(put(secrets)).rejects.not.toThrow('whsec_')
  })
})

async function fromFile(connectionsFile: string) {
  return setup({ connectionsFile })
}
