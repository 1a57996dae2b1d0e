import { randomInt } from 'node:crypto'
import { connect, createServer } from 'node:net'

const host = '127.0.0.1'
/** Below the range from which systems take the ports of outgoing connections, so that the port is still free after a restart. */
const portMin = 20_000
const portMax = 29_999

export function isFreePort(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** A TCP port of the loopback address that nobody listens on now. Somebody may take it before you do: retry then. */
export async function findFreePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(portMin, portMax + 1)
    if (await isFreePort(port)) return port
  }
  throw new Error(`no free TCP port between ${portMin} and ${portMax} on ${host}`)
}

/** Whether something accepts connections on this port within a second. */
export function portAnswers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host, timeout: 1_000 })
    const done = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => done(true))
    socket.once('error', () => done(false))
    socket.once('timeout', () => done(false))
  })
}
