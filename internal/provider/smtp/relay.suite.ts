import { createServer, type Socket } from 'node:net'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { onTestFinished } from 'vitest'
import { systemClock } from '../../lifecycle/system-clock.ts'
import type { Logger } from '../../port/telemetry.ts'
import { anId } from '../../testkit/builders.ts'
import { eventually } from '../../testkit/eventually.ts'
import { AddressRules } from '../egress/address-rules.ts'
import { listen } from '../egress/loopback.suite.ts'
import { type Lookup, Names } from '../egress/names.ts'
import { EgressProxy } from '../egress/tunnel.ts'
import { cert, key } from './certificate.suite.ts'
import type { MailSource } from './message.ts'
import { openSmtpOutlet } from './outlet.ts'

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }

export const account = { username: 'mailer', password: 'open-sesame' }

export interface Delivery {
  readonly from: string
  readonly to: readonly string[]
  readonly raw: string
  readonly isSecure: boolean
  readonly user: string
}

/** A real relay that takes what comes, over STARTTLS and after a log-in unless told otherwise. */
export async function mailServer(options: SMTPServerOptions = {}) {
  const mails: Delivery[] = []
  const server = new SMTPServer({
    cert,
    key,
    logger: false,
    closeTimeout: 100,
    onAuth: ({ username, password }, _session, done) => {
      const isKnown = username === account.username && password === account.password
      if (isKnown) done(null, { user: username })
      else done(Object.assign(new Error('5.7.8 Authentication credentials invalid'), { responseCode: 535 }))
    },
    onData(stream, { envelope, secure, user }, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        mails.push({
          from: envelope.mailFrom === false ? '' : envelope.mailFrom.address,
          to: envelope.rcptTo.map(({ address }) => address),
          raw: Buffer.concat(chunks).toString(),
          isSecure: secure,
          user: String(user),
        })
        done(null, `2.0.0 Ok: queued as Q${mails.length}AB`)
      })
    },
    ...options,
  })
  server.on('error', () => undefined)
  return { ...(await listen(server.server)), mails }
}

/** What a scripted relay does at one point: says this, says nothing, says something and hangs up or stops reading. */
export type Act = string | null | { readonly cut: string } | { readonly deaf: string }
/** Several acts: one for each time on a connection, the last one stays. */
type Acts = Act | readonly Act[]
export interface Script {
  readonly greeting?: Acts
  readonly ehlo?: Acts
  readonly starttls?: Acts
  readonly auth?: Acts
  readonly mail?: Acts
  readonly rcpt?: Acts
  readonly data?: Acts
  /** After the dot. */
  readonly dot?: Acts
}

const assent: Readonly<Record<keyof Script, Act>> = {
  greeting: '220 relay.test ready',
  ehlo: '250 relay.test',
  starttls: '502 5.5.1 no such command',
  auth: '235 2.7.0 welcome',
  mail: '250 2.1.0 ok',
  rcpt: '250 2.1.5 ok',
  data: '354 go on',
  dot: '250 2.0.0 Ok: queued as 4XyZ',
}

/** A relay that follows a script, word for word; `scripts` are those of its connections, the last one stays. */
export async function scriptedRelay(...scripts: readonly Script[]) {
  const commands: string[] = []
  let dots = 0
  let opened = 0
  let silences = 0
  const server = createServer((socket) => {
    const script = scripts[Math.min(opened++, scripts.length - 1)] ?? {}
    const times = new Map<keyof Script, number>()
    const next = (step: keyof Script): Act => {
      const { [step]: acts = assent[step] } = script // null is an act
      if (!isList(acts)) return acts
      const time = times.get(step) ?? 0
      times.set(step, time + 1)
      return acts[Math.min(time, acts.length - 1)] ?? null
    }
    const play = (what: Act) => {
      if (what === null || (typeof what === 'object' && 'deaf' in what)) silences++
      act(socket, what)
    }
    play(next('greeting'))
    let isData = false
    let pending = ''
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (pending + text).split('\r\n')
      pending = lines.pop() ?? ''
      for (const line of lines) {
        if (isData && line !== '.') continue
        if (isData) dots++
        else commands.push(line)
        const step = isData ? 'dot' : stepOf(line)
        const what = step === null ? (line === 'QUIT' ? { cut: '221 bye' } : '250 ok') : next(step)
        isData = step === 'data' && typeof what === 'string' && what.startsWith('354')
        play(what)
      }
    })
  })
  return { ...(await listen(server)), commands, dots: () => dots, silences: () => silences }
}

function stepOf(line: string): keyof Script | null {
  const steps = {
    EHLO: 'ehlo',
    HELO: 'ehlo',
    STARTTLS: 'starttls',
    AUTH: 'auth',
    MAIL: 'mail',
    RCPT: 'rcpt',
    DATA: 'data',
  } as const
  return Object.entries(steps).find(([verb]) => line.startsWith(verb))?.[1] ?? null
}

function isList(acts: Acts): acts is readonly Act[] {
  return Array.isArray(acts)
}

function act(socket: Socket, what: Act): void {
  if (what === null) return
  if (typeof what === 'string') socket.write(`${what}\r\n`)
  else if ('deaf' in what) socket.pause().write(`${what.deaf}\r\n`)
  else if (what.cut === '') socket.destroy()
  else socket.end(`${what.cut}\r\n`)
}

export interface OutletChanges {
  readonly secrets?: Readonly<Record<string, unknown>>
  readonly allowNets?: readonly string[]
  readonly lookup?: Lookup
  /** Of the operator's proxy. */
  readonly proxyUrl?: string
  readonly stopMaxMs?: number
}

/** An outlet that is closed when the test ends. Loopback is allowed, names lead nowhere unless `lookup` says so. */
export function smtpOutlet(config: Readonly<Record<string, unknown>>, changes: OutletChanges = {}) {
  const { secrets = {}, allowNets = ['127.0.0.0/8', '::1'], lookup = noNames, proxyUrl, stopMaxMs = 300 } = changes
  const names = new Names(
    { timeoutMs: 1_000, cacheMs: 0, lookupsMax: 4, namesMax: 100 },
    { clock: systemClock, lookup },
  )
  const proxy = proxyUrl === undefined ? null : new EgressProxy(proxyUrl, 1_000)
  if (proxy !== null) onTestFinished(() => proxy.destroy())
  const egress = { addresses: new AddressRules({ allowNets, denyNets: [] }), names, proxy }
  const full = { host: '127.0.0.1', from: 'alerts@example.com', ...config }
  const outlet = openSmtpOutlet('mail', full, secrets, { clock: systemClock, logger: silent, egress, stopMaxMs })
  onTestFinished(() => outlet.close())
  return outlet
}

/** With STARTTLS and log-in, as `mailServer` has it. */
export function secureOutlet(
  port: number,
  config: Readonly<Record<string, unknown>> = {},
  changes: OutletChanges = {},
) {
  const { username, password } = account
  return smtpOutlet({ port, username, caCertificate: cert, ...config }, { secrets: { password }, ...changes })
}

/** In the clear and without log-in, as `scriptedRelay` has it. */
export function plainOutlet(port: number, config: Readonly<Record<string, unknown>> = {}, changes: OutletChanges = {}) {
  return smtpOutlet({ port, security: 'none', ...config }, changes)
}

export function aMail(change: Partial<MailSource> = {}): MailSource {
  return {
    id: anId(),
    generation: 0,
    recipient: 'jo@example.org',
    content: 'Your code is 123456',
    correlationId: 'corr-1',
    ...change,
  }
}

/** A deadline that is over when the relay has stopped to answer, and not a moment before. */
export function onceSilent({ silences }: { silences: () => number }): AbortSignal {
  const abort = new AbortController()
  void eventually(() => silences() > 0).then(() => abort.abort(new DOMException('too late', 'TimeoutError')))
  return abort.signal
}

export function soon(): AbortSignal {
  return AbortSignal.timeout(10_000)
}

async function noNames(name: string): Promise<never> {
  throw Object.assign(new Error(`no such name: ${name}`), { code: 'ENOTFOUND' })
}
