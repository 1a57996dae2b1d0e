import type { ConnectionId } from '../../domain/connection.ts'
import type { Clock } from '../../port/clock.ts'
import type { Bucket, Outlet, TryResult } from '../../port/outlet.ts'
import type { Logger } from '../../port/telemetry.ts'
import { secretsOf } from '../connector/secrets.ts'
import { checkSmtpConfig, type SmtpSettings, settingsOf, smtpConnector } from './connector.ts'
import { openRelay, type Relay, type SmtpEgress } from './dial.ts'
import { draftMail, type MailSource } from './message.ts'
import { accepted, failed, providerMessageIdOf, resultOfError, resultOfSystemCode } from './results.ts'
import { SendMark } from './send-mark.ts'
import { type MailPool, type MarkedMail, openPool, testSession } from './transport.ts'

export interface SmtpDeps {
  readonly clock: Pick<Clock, 'now' | 'timeout'>
  readonly logger: Logger
  /** The guard that every outgoing call passes. */
  readonly egress: SmtpEgress
  /** How long `close` waits for sends under way before it cuts them. */
  readonly stopMaxMs?: number
}

/** Mail over one relay. Its pool keeps connections, so whoever opened it closes it. */
export interface SmtpOutlet extends Outlet {
  send(message: MailSource, signal: AbortSignal): Promise<TryResult>
  /** Takes no more; waits for sends under way, at most `stopMaxMs`, then cuts them. */
  close(): Promise<void>
}

const stopMaxMsDefault = 5_000

/**
 * Opens no connection yet.
 * @param config the fields of `smtpConnector` without the secret ones.
 * @param secrets its secret fields.
 * @throws TypeError naming every field that is wrong; holds no secret.
 */
export function openSmtpOutlet(
  id: ConnectionId,
  config: Readonly<Record<string, unknown>>,
  secrets: Readonly<Record<string, unknown>>,
  deps: SmtpDeps,
): SmtpOutlet {
  const checked = checkSmtpConfig({ ...config, ...secrets })
  if (!checked.ok) {
    const lines = checked.problems.map(({ field, found, expected }) => `${field}: found ${found}, expected ${expected}`)
    throw new TypeError(lines.join('; '))
  }
  const settings = settingsOf(checked.config)
  return new PooledOutlet(id, settings, secretsOf(smtpConnector, checked.config), deps)
}

class PooledOutlet implements SmtpOutlet {
  readonly id: ConnectionId
  readonly connector = smtpConnector.name
  // The relay does not know a message by its Message-ID: one that is sent again arrives twice.
  readonly repeatable = false
  readonly buckets: readonly Bucket[]
  readonly #settings: SmtpSettings
  readonly #secrets: readonly string[]
  readonly #deps: SmtpDeps
  readonly #relay: Relay
  readonly #pool: MailPool
  readonly #underWay = new Set<Promise<unknown>>()
  #closing: Promise<void> | null = null

  constructor(id: ConnectionId, settings: SmtpSettings, secrets: readonly string[], deps: SmtpDeps) {
    this.id = id
    // Whatever is taken beyond that only waits in the pool, and its deadline runs.
    this.buckets = [{ kind: 'concurrency', limit: settings.connections }]
    this.#settings = settings
    this.#secrets = secrets
    this.#deps = deps
    this.#relay = openRelay(settings, deps.egress)
    this.#pool = openPool(settings, this.#relay)
  }

  segments(): number {
    return 1
  }

  /** How large a mail may be is the relay's to say. */
  brokenLimit(): null {
    return null
  }

  async send(message: MailSource, signal: AbortSignal): Promise<TryResult> {
    const draft = draftMail(message, this.#settings, this.#deps.clock.now())
    if (!draft.ok) {
      const { code, message: problem } = draft
      return failed(code === 'invalid_recipient' ? 'recipient_invalid' : 'permanent', code, problem)
    }
    if (this.#closing !== null) return resultOfSystemCode('UND_ERR_CLOSED', { mayBeSent: false })
    const secrets = [...this.#secrets, ...secretsIn(message, draft.recipient)]
    const mark = new SendMark()
    const mail: MarkedMail = { ...draft.data, mark, signal }
    const delivery = this.#pool.sendMail(mail)
    this.#underWay.add(delivery)
    try {
      const { response, serverMessageId } = await delivery
      return accepted(response, providerMessageIdOf(response, serverMessageId, draft.messageId), secrets)
    } catch (error) {
      const { mayBeSent } = mark
      const result = this.#resultOf(error, mayBeSent, secrets, signal)
      this.#deps.logger.debug('the mail relay did not take a message', {
        notificationId: message.id,
        connection: this.id,
        class: result.class,
        code: result.code,
      })
      return result
    } finally {
      this.#underWay.delete(delivery)
    }
  }

  async probe(signal: AbortSignal): Promise<TryResult> {
    try {
      await testSession(this.#settings, this.#relay, signal)
      return accepted(null, null, this.#secrets)
    } catch (error) {
      return this.#resultOf(error, false, this.#secrets, signal)
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#pool.close()
    const limit = this.#deps.clock.timeout(this.#deps.stopMaxMs ?? stopMaxMsDefault)
    const over = Promise.withResolvers<void>()
    limit.signal.addEventListener('abort', () => over.resolve(), { once: true })
    const ended = Promise.allSettled(this.#underWay)
    await Promise.race([ended, over.promise])
    limit.clear()
    this.#pool.close({ force: true })
    await ended
  }

  #resultOf(error: unknown, mayBeSent: boolean, secrets: readonly string[], signal: AbortSignal): TryResult {
    if (signal.aborted && (error === signal.reason || isAbort(error))) {
      return resultOfSystemCode(isTimeout(signal.reason) ? 'TimeoutError' : 'AbortError', { mayBeSent })
    }
    const result = resultOfError(error, { mayBeSent, secrets })
    const mayPass = result.class === 'transient' || result.class === 'ambiguous'
    const isCut = this.#closing !== null && result.statusCode === null && mayPass
    return isCut ? resultOfSystemCode('UND_ERR_DESTROYED', { mayBeSent }) : result
  }
}

/** Relays like to repeat the recipient, some of them in small letters. */
function secretsIn({ recipient, content, title, html }: MailSource, address: string): readonly string[] {
  const texts = [recipient, address, recipient.toLowerCase(), content, title ?? '', html ?? '']
  return [...new Set(texts)].filter((text) => text !== '')
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}

function isTimeout(reason: unknown): boolean {
  return reason instanceof Error && reason.name === 'TimeoutError'
}
