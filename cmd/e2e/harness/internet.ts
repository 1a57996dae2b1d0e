import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { SimulatedProvider } from '../../../internal/testkit/simulators/simulated-http.ts'
import { SimulatorServer } from '../../../internal/testkit/simulators/simulator-server.ts'
import type { Settings } from './engine.ts'
import { cert, key } from './internet-certificate.ts'

/**
 * What lies beyond an engine's egress proxy: one simulator plays every host, over TLS, so that connections use the URLs
 * that their connectors are shipped with. Targets written as addresses do not come here: engines call those directly, if
 * at all.
 */
export class Internet {
  readonly simulator: SimulatorServer
  readonly #proxy: Server
  readonly #folder: string
  readonly #providers: SimulatedProvider[]
  readonly #open = new Set<Duplex>()

  private constructor(simulator: SimulatorServer, providers: SimulatedProvider[], folder: string) {
    this.simulator = simulator
    this.#providers = providers
    this.#folder = folder
    this.#proxy = createServer((_, response) => response.writeHead(405).end('only CONNECT'))
    this.#proxy.on('connect', (_, socket: Duplex) => this.#tunnel(socket))
  }

  static async open(providers: Iterable<SimulatedProvider> = []): Promise<Internet> {
    const all = [...providers] // the simulator looks into it with every request
    const folder = await mkdtemp(path.join(os.tmpdir(), 'dispatch-internet-'))
    const internet = new Internet(await SimulatorServer.start(all), all, folder)
    await writeFile(internet.#authorityFile, cert)
    internet.#proxy.listen(0, '127.0.0.1')
    await once(internet.#proxy, 'listening')
    return internet
  }

  /** For engines whose way out leads here. */
  get settings(): Settings {
    return {
      EGRESS_PROXY: `http://127.0.0.1:${portOf(this.#proxy)}`,
      NODE_EXTRA_CA_CERTS: this.#authorityFile,
    }
  }

  add<P extends SimulatedProvider>(provider: P): P {
    this.#providers.push(provider)
    return provider
  }

  /** Cuts what is open. */
  async close(): Promise<void> {
    const closed = once(this.#proxy, 'close')
    this.#proxy.close()
    for (const socket of this.#open) socket.destroy()
    await Promise.all([closed, this.simulator.stop()])
    await rm(this.#folder, { recursive: true, force: true })
  }

  get #authorityFile(): string {
    return path.join(this.#folder, 'authority.pem')
  }

  /** Whatever host was asked for: the certificate is for all of them, and the `Host` header tells them apart. */
  #tunnel(socket: Duplex): void {
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
    const secure = new TLSSocket(socket, { isServer: true, cert, key })
    const onward = connect(Number(new URL(this.simulator.origin).port), '127.0.0.1')
    const all = [socket, secure, onward]
    // What breaks on one side breaks on the other: a reset must not arrive as an orderly end.
    const cut = () => {
      for (const one of all) {
        this.#open.delete(one)
        one.destroy()
      }
    }
    for (const one of all) {
      this.#open.add(one)
      one.on('error', cut).on('close', cut)
    }
    secure.pipe(onward).pipe(secure)
  }
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy is not listening')
  return address.port
}
