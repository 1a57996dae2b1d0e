import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually } from './eventually.ts'
import { TcpProxy } from './tcp-proxy.ts'

describe('TcpProxy', () => {
  let server: Server
  let proxy: TcpProxy
  let client: Socket
  let received = ''
  let ended = false
  let closed = false

  beforeEach(async () => {
    ;[received, ended, closed] = ['', false, false]
    server = createServer((socket) => socket.on('error', () => undefined).pipe(socket))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    proxy = await TcpProxy.start({ host: '127.0.0.1', port: typeof address === 'object' ? (address?.port ?? 0) : 0 })
    client = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true })
    client.on('data', (bytes) => (received += bytes.toString()))
    client.on('end', () => (ended = true)).on('close', () => (closed = true))
    client.on('error', () => undefined)
    await echo('hello')
  })

  afterEach(async () => {
    client.destroy()
    await eventually(() => closed) // its events must not reach the next test
    await proxy.stop()
    server.close()
  })

  async function nextTurns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn++) await setImmediate()
  }

  async function echo(text: string): Promise<void> {
    client.write(text)
    await eventually(() => received.endsWith(text))
  }

  it('delays bytes and keeps their order, also when the delay ends in between', async () => {
    proxy.delay(80)
    const startedMs = performance.now()
    client.write('a')
    await eventually(() => received.length > 5 || performance.now() - startedMs > 40)
    proxy.pass()
    await echo('b')
    expect(received).toBe('helloab')
    expect(performance.now() - startedMs).toBeGreaterThan(70)
  })

  it('keeps the order of bytes while the delay shrinks', async () => {
    const text = 'abcdefghijklmnopqrstuvwxyz'
    for (const [at, letter] of text.split('').entries()) {
      proxy.delay(40 - at)
      client.write(letter)
      await nextTurns(3) // or the letters would travel together
    }
    await eventually(() => received.length === 5 + text.length)
    expect(received).toBe(`hello${text}`)
  })

  it('carries no more than it is throttled to', async () => {
    proxy.throttle(10_000)
    const startedMs = performance.now()
    await echo('x'.repeat(2_000))
    expect(performance.now() - startedMs).toBeGreaterThan(380) // 200 ms there, 200 ms back
  })

  it('swallows everything in a black hole, and resets what lost bytes afterwards', async () => {
    proxy.blackhole()
    client.write('lost')
    await eventually(() => proxy.connections === 1 && client.bytesWritten === 9)
    expect([received, closed]).toEqual(['hello', false])
    await eventually(() => {
      proxy.pass() // the bytes may not have come to the proxy the first time
      proxy.blackhole()
      return closed
    })
    expect(received).toBe('hello')
  })

  it('ends the server side only when half closed', async () => {
    proxy.halfClose()
    await eventually(() => ended)
    expect(closed).toBe(false)
    expect(client.write('still open')).toBe(true)
  })

  it('cuts in the middle of a message after exactly so many bytes', async () => {
    proxy.cutAfter(13) // ten there, three back
    client.write('0123456789')
    await eventually(() => closed)
    expect('0123456789'.startsWith(received.slice(5))).toBe(true)
    expect(received.length).toBeLessThanOrEqual(8)
  })

  it('takes nobody while it is closed and everybody after it passes again', async () => {
    proxy.close()
    await eventually(() => closed)
    proxy.pass()
    const again = connect({ port: proxy.port, host: '127.0.0.1' })
    await once(again, 'connect')
    again.destroy()
  })
})
