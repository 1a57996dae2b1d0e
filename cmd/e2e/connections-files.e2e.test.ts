import { execFile } from 'node:child_process'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../../internal/testkit/eventually.ts'
import { projectRoot } from '../project-root.ts'
import { type Sink, startSink } from '../sink/server.ts'
import { problemOf } from './harness/client.ts'
import { useConnected } from './harness/connected.ts'
import { Endpoint, freshSecret } from './harness/endpoint.ts'
import type { Profile } from './harness/ground.ts'
import { profiles } from './harness/profiles.ts'
import { untilFound } from './harness/requests.ts'

const run = promisify(execFile)
/** A change is taken over within two seconds, and the machine may be busy. */
const takenOverWithinMs = 15_000

describe.concurrent.each(profiles)('files of connectors and connections ($name)', (profile) => {
  // They share the files.
  describe('one by one', { concurrent: false }, () => tests(profile))
})

function tests(profile: Profile): void {
  let inside: Sink
  beforeAll(async () => {
    inside = await startSink()
  })
  afterAll(() => inside.close())
  const connected = useConnected(profile, {
    settings: { HOOK_SECRET: freshSecret(), EGRESS_PORTS: '1-65535' },
    providers: () => [chat],
    async prepare() {
      const settings = { CONNECTORS_DIR: fileOf('connectors'), CONNECTIONS_FILE: fileOf('connections.yaml') }
      await mkdir(settings.CONNECTORS_DIR)
      await write('connections.yaml', connectionsTo('https://first.example.com/'))
      return settings
    },
  })
  /** Plays the host that the documented connector names. */
  const chat = new Endpoint('chat')
  const fileOf = (name: string) => path.join(connected.world.ground.folder, name)

  /** As a careful deployment does: nobody sees half of it. */
  async function write(name: string, text: string): Promise<void> {
    await writeFile(fileOf('next'), text)
    await rename(fileOf('next'), fileOf(name))
  }

  const isKnown = async (name: string) => (await connected.operator.connectors()).data.some((one) => one.name === name)
  const untilKnown = (name: string) => eventually(() => isKnown(name), { withinMs: takenOverWithinMs })

  it('takes a twelfth connector, one file that its own fixtures prove, without a restart', async () => {
    const document = await documentedConnector()
    await write('example-chat.yaml', document)
    const tested = await connectorTest(fileOf('example-chat.yaml'))
    expect(tested.output).toContain('4 ok, 0 failed, 0 warnings')
    expect(tested.exitCode).toBe(0)
    expect(await isKnown('example-chat@1')).toBe(false)

    await rename(fileOf('example-chat.yaml'), fileOf('connectors/example-chat.yaml'))
    await untilKnown('example-chat@1')
    chat.play((nth) => ({ status: 201, body: JSON.stringify({ id: `m-${nth}` }) }))
    const made = await connected.operator.connect('own', 'example-chat@1', { room: 'ops', token: 'chat-token-1' })
    expect(made).toMatchObject({ channel: 'CHAT', state: 'ready', config: { room: 'ops' }, secrets: ['token'] })
    const message = await connected.sent({ channel: 'CHAT', provider: 'own', priority: 'HIGH', title: 'Door' })
    expect(message).toMatchObject({
      providerMessageId: 'm-1',
      attempts: [{ connection: 'own', connector: 'example-chat@1' }],
    })
    expect(chat.arrivals).toHaveLength(1)
    const { method, path: target, headers, body } = chat.arrivals[0]?.request ?? {}
    expect({ method, target }).toEqual({ method: 'POST', target: '/rooms/ops/messages' })
    expect(headers).toMatchObject({ authorization: 'Bearer chat-token-1', 'idempotency-key': `${message.id}:0` })
    expect(JSON.parse(body ?? '')).toEqual({ text: 'Hello', title: 'Door', priority: 2 })

    chat.play(() => ({ status: 404, body: JSON.stringify({ error: { code: 'room_gone', text: 'It is closed' } }) }))
    const failed = await connected.failed({ channel: 'CHAT', provider: 'own' })
    expect(failed.attempts).toMatchObject([{ outcome: 'permanent', rule: 'no-such-room', statusCode: 404 }])
  })

  it('says where a connector is wrong, and goes on with the last good version', async () => {
    const name = 'second-chat.yaml'
    const document = (await documentedConnector()).replace('id: example-chat', 'id: second-chat')
    await write(`connectors/${name}`, document)
    await untilKnown('second-chat@1')
    chat.play(() => ({ status: 201, body: '{"id":"m"}' }))
    await connected.operator.connect('second', 'second-chat@1', { room: 'ops', token: 'chat-token-2' })
    const broken = document.replace('class: rate_limited,', 'class: rate_limitd,')
    await write(`connectors/${name}`, broken)
    const place = placeOf(broken, 'class: rate_limitd')
    const problem = await untilFound('a problem', async () => {
      const { problems } = await connected.operator.connectors()
      return problems.find(({ file }) => file.endsWith(name)) ?? null
    })
    expect(problem).toMatchObject({ ...place, path: 'errors[0].class' })
    expect(problem.message).toContain('did you mean "rate_limited"?')
    expect(connected.world.engine.output).toContain(`${name}:${place.line}:${place.column} errors[0].class`)
    const tested = await connectorTest(fileOf(`connectors/${name}`))
    expect(tested).toMatchObject({ exitCode: 1, output: expect.stringContaining(problem.message) })
    expect(await connected.operator.connection('second')).toMatchObject({ state: 'ready' })
    await connected.sent({ channel: 'CHAT', provider: 'second' })
  })

  it('takes over a changed file of connections and routes without a restart, and keeps it while the next is broken', async () => {
    const [first, second, third] = ['first', 'second', 'third'].map((name) =>
      connected.internet.add(new Endpoint(name)),
    )
    expect((await connected.sent({ tags: ['filed'] })).attempts).toMatchObject([
      { connection: 'filed', connector: 'webhook@1' },
    ])
    expect(first?.arrivals).toHaveLength(1)
    expect(await connected.operator.connection('filed')).toMatchObject({ source: 'file', secrets: ['secrets'] })

    await write('connections.yaml', connectionsTo('https://second.example.com/'))
    const isAt = async (url: string) => (await connected.operator.connection('filed')).config['url'] === url
    await eventually(() => isAt('https://second.example.com/'), { withinMs: takenOverWithinMs })
    await connected.sent({ tags: ['filed'] })
    expect(second?.arrivals).toHaveLength(1)

    const broken = connectionsTo('https://third.example.com/')
      .replace('webhook@1', 'webhoook@1')
      .replace('- filed', '- field')
    await write('connections.yaml', broken)
    const connector = placeOf(broken, 'connector: webhoook@1')
    const tier = placeOf(broken, 'field', 'tiers')
    await eventually(
      () => {
        const { output } = connected.world.engine
        expect(output).toContain('CONNECTIONS_FILE is wrong')
        expect(output).toContain(`connections.yaml:${connector.line}:${connector.column} connections.filed.connector`)
        expect(output).toContain(`connections.yaml:${tier.line}:${tier.column} routes[0].tiers[0]`)
      },
      { withinMs: takenOverWithinMs },
    )
    expect((await connected.sent({ tags: ['filed'] })).attempts).toMatchObject([{ connection: 'filed' }])
    expect(second?.arrivals).toHaveLength(2)

    await write('connections.yaml', connectionsTo('https://third.example.com/'))
    await eventually(() => isAt('https://third.example.com/'), { withinMs: takenOverWithinMs })
    await connected.sent({ tags: ['filed'] })
    expect(third?.arrivals).toHaveLength(1)
    expect(connected.world.engine.output).toContain('CONNECTIONS_FILE is right again')
    const refused = await connected.client.send('DELETE', '/v1/connections/filed')
    expect(refused.status).toBe(409)
    expect(problemOf(refused).error).toContain('CONNECTIONS_FILE')
  })

  it('calls no address that is not public, however it is written', async () => {
    const port = new URL(inside.url).port
    const hosts = [
      '127.0.0.1',
      '2130706433',
      '0x7f.1',
      '[::ffff:127.0.0.1]',
      'localhost',
      '169.254.169.254',
      '10.0.0.1',
    ]
    const connections = hosts.map((host, index) => {
      return `  blocked-${index}: {connector: webhook@1, config: {url: 'http://${host}:${port}/', secrets: ['\${HOOK_SECRET}']}}`
    })
    await write('connections.yaml', `${connectionsTo('https://third.example.com/')}${connections.join('\n')}\n`)
    await eventually(async () => (await connected.operator.connections()).length > hosts.length, {
      withinMs: takenOverWithinMs,
    })
    for (const [index, host] of hosts.entries()) {
      const failed = await connected.failed({ provider: `blocked-${index}` })
      expect(failed.attempts, host).toMatchObject([{ outcome: 'permanent', error: { code: 'blocked_address' } }])
      expect(failed.attempts?.[0]?.error?.message).toMatch(/^the target is not allowed: /)
      expect(JSON.stringify(failed)).not.toContain(host)
      const config = { url: `http://${host}:${port}/`, secrets: [freshSecret()] }
      const answer = await connected.client.post('/v1/connections', { id: 'blocked', connector: 'webhook@1', config })
      expect(answer.status, host).toBe(400)
      expect(problemOf(answer).errors).toMatchObject([{ path: 'config.url', code: 'blocked_address' }])
    }
    expect(inside.count()).toBe(0)
  })

  it('follows no redirect, wherever it leads', async () => {
    const elsewhere = connected.internet.add(new Endpoint('elsewhere'))
    const targets = ['http://169.254.169.254/latest/meta-data/', inside.url, elsewhere.url]
    for (const [index, location] of targets.entries()) {
      const end = connected.internet.add(new Endpoint(`moved-${index}`, () => ({ status: 307, headers: { location } })))
      await connected.operator.connectTo(end.name, end)
      const failed = await connected.failed({ provider: end.name })
      expect(failed.attempts).toMatchObject([{ outcome: 'permanent', statusCode: 307, error: { code: 'http_307' } }])
      expect(end.arrivals).toHaveLength(1)
    }
    expect(elsewhere.arrivals).toEqual([])
    expect(inside.count()).toBe(0)
  })
}

/** One connection and one route, of the notifications with its tag. */
function connectionsTo(url: string): string {
  return `routes:
  - channel: webhook
    tag: filed
    tiers:
      - filed
connections:
  filed:
    connector: webhook@1
    config: {url: '${url}', secrets: ['\${HOOK_SECRET}']}
`
}

/** The one that the documentation shows whole. */
async function documentedConnector(): Promise<string> {
  const page = await readFile(path.join(projectRoot, 'docs', 'CONNECTORS.md'), 'utf8')
  const document = /^## A whole one\n+```yaml\n(.*?)^```/ms.exec(page)?.[1]
  if (document === undefined) throw new Error('docs/CONNECTORS.md shows no connector any more')
  return document
}

/** `npm run connector:test`, as a person calls it. */
async function connectorTest(file: string): Promise<{ readonly exitCode: number; readonly output: string }> {
  const options = { cwd: projectRoot, timeout: 60_000 }
  try {
    const { stdout } = await run('npm', ['run', '--silent', 'connector:test', '--', file], options)
    return { exitCode: 0, output: stdout }
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || !('stdout' in error)) throw error
    return { exitCode: Number(error.code), output: String(error.stdout) }
  }
}

/** Line and column of the first `words` after `after`, from 1. */
function placeOf(text: string, words: string, after = ''): { readonly line: number; readonly column: number } {
  const before = text.slice(0, text.indexOf(words, text.indexOf(after)))
  return { line: before.split('\n').length, column: before.length - before.lastIndexOf('\n') }
}
