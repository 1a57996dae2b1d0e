import { callbackify } from 'node:util'
import { createTransport, type SendMailOptions, type SMTPPoolOptions } from 'nodemailer'
import type { SmtpSettings } from './connector.ts'
import type { Relay } from './dial.ts'
import { SendMark } from './send-mark.ts'

/** An email with the mark that belongs to this one try. */
export interface MarkedMail extends SendMailOptions {
  readonly mark: SendMark
  readonly signal: AbortSignal
}

/** Well below the time after which relays hang up (RFC 5321 asks for 5 min, many take one). */
const keepAliveMs = 30_000
/** How long a relay may take to close its side before the socket is destroyed. */
const closeMaxMs = 1_000
/** A kept connection that turns out to be dead before anything of the message was read is replaced so often. */
const replacementsMax = 2
const replyBytesMax = 65_536

/** What one connection needs, in the pool or for a test. The way to the relay is ours: names are resolved and checked there. */
function optionsOf(settings: SmtpSettings, { hostname, dial }: Relay) {
  const { port, security, username, password, ehloName, caCertificate, greetingTimeoutMs } = settings
  const open = callbackify(dial)
  return {
    host: hostname,
    port,
    getSocket: (_, callback) => {
      open((error, connection) => callback(error, error === null ? { connection } : false))
    },
    secure: security === 'tls',
    // With this set, a relay that does not offer STARTTLS is an error, never a session in the clear.
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    tls: { minVersion: 'TLSv1.2', ...(caCertificate === null ? {} : { ca: caCertificate }) },
    ...(ehloName === null ? {} : { name: ehloName }),
    // Without `forceAuth` a relay that offers no log-in would get the message without one.
    ...(username === null ? {} : { auth: { user: username, pass: password ?? '' }, forceAuth: true }),
    // From the first look-up to the end of the TLS handshake; `dial` has its own limit within.
    connectionTimeout: settings.connectTimeoutMs + greetingTimeoutMs,
    greetingTimeout: greetingTimeoutMs,
    socketTimeout: settings.idleTimeoutMs,
    socketCloseTimeout: closeMaxMs,
    maxResponseSize: replyBytesMax,
    disableFileAccess: true,
    disableUrlAccess: true,
    maxRecipients: 1,
  } satisfies SMTPPoolOptions
}

export type MailPool = ReturnType<typeof openPool>

export function openPool(settings: SmtpSettings, relay: Relay) {
  const pool = createTransport({
    ...optionsOf(settings, relay),
    pool: true,
    maxConnections: settings.connections,
    maxMessages: settings.messagesPerConnection,
    maxRequeues: replacementsMax,
    idleTimeout: keepAliveMs,
  })
  pool.use('stream', ({ data, message }, done) => {
    if ('mark' in data && data.mark instanceof SendMark) {
      const { mark } = data
      message.processFunc((input) => mark.watch(input))
    }
    done()
  })
  pool.on('error', () => undefined) // every send hears of its own failure
  return pool
}

/**
 * Connects, encrypts and logs in, and says goodbye.
 * @throws what the SMTP client throws, or the reason of `signal`.
 */
export async function testSession(settings: SmtpSettings, relay: Relay, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const cut = Promise.withResolvers<never>()
  const onAbort = () => cut.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  const dial = async () => {
    const socket = await relay.dial()
    const destroy = () => void socket.destroy()
    signal.addEventListener('abort', destroy, { once: true })
    socket.once('close', () => signal.removeEventListener('abort', destroy))
    if (signal.aborted) destroy()
    return socket
  }
  const transport = createTransport(optionsOf(settings, { ...relay, dial }))
  try {
    await Promise.race([transport.verify(), cut.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
    transport.close()
  }
}
