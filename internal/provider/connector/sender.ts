import { type AnswerRules, type ConnectorResult, classifyAnswer } from './answer.ts'
import { type CallDeps, call, deadlineOf, notSent, type Until } from './call.ts'
import type { Connector } from './compile.ts'
import type { ConnectorConfig } from './config.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import { checkLimits, payloadProblem } from './limits.ts'
import type { ConnectorMessage } from './message.ts'
import { type ConnectorRequest, RequestError } from './request.ts'
import { resultOfLimit, resultOfNoAnswer, resultOfPart, resultOfRequestError, resultOfTokenError } from './results.ts'
import { TokenError, TokenSource } from './tokens.ts'

type Attempt = (token: string | null, until: Until) => Promise<ConnectorResult>

/** Sends over one connection: a connector with its configuration. */
export class ConnectorSender {
  readonly #connection: Connection
  readonly #deps: CallDeps
  readonly #tokens: TokenSource | null

  /**
   * @param config what `checkConfig` gave.
   * @throws RequestError or TemplateError when the configuration gives no request, whatever the message.
   */
  constructor(connector: Connector, config: ConnectorConfig, deps: CallDeps, options: ConnectionOptions = {}) {
    this.#connection = new Connection(connector, config, options)
    this.#deps = deps
    const { oauth } = this.#connection.auth
    this.#tokens = oauth === null ? null : new TokenSource(oauth, deps)
  }

  /**
   * Sends once; what the limits split goes out part after part. Every failure of the provider, the network or the
   * deadline is a returned value; a rejection is a bug.
   * @param signal ends all of it; so does the connector's `timeoutMs`, counted for each part.
   */
  send(message: ConnectorMessage, signal: AbortSignal): Promise<ConnectorResult> {
    const fitting = checkLimits(this.#connection.connector, message)
    if (!fitting.ok) return Promise.resolve(resultOfLimit(fitting.problem))
    const [head, ...rest] = fitting.messages
    return rest.length === 0 ? this.#sendPart(head, signal) : this.#sendParts(head, rest, signal)
  }

  /** Tests the connection without sending anything; null when the connector has no probe. */
  async probe(signal: AbortSignal): Promise<ConnectorResult | null> {
    const { probe } = this.#connection
    if (probe === null) return null
    return this.#within(probe.timeoutMs, signal, async (token, until) => {
      const request = await probe.write(this.#deps.clock.now(), token)
      return this.#exchange(request, probe.answers, this.#connection.secretsFor(null, request), until)
    })
  }

  /** Gives up a token that is being fetched. Sends under way end with the dispatcher. */
  close(): void {
    this.#tokens?.close()
  }

  async #sendParts(
    head: ConnectorMessage,
    rest: readonly ConnectorMessage[],
    signal: AbortSignal,
  ): Promise<ConnectorResult> {
    const first = await this.#sendPart(head, signal)
    if (first.class !== 'accepted') return first
    for (const [index, part] of rest.entries()) {
      const result = await this.#sendPart(part, signal)
      if (result.class !== 'accepted') return resultOfPart(result, index + 2, rest.length + 1)
    }
    return first
  }

  #sendPart(part: ConnectorMessage, signal: AbortSignal): Promise<ConnectorResult> {
    const { timeoutMs } = this.#connection.connector.request
    return this.#within(timeoutMs, signal, (token, until) => {
      const written = this.#connection.write(part, this.#deps.clock.now(), token)
      if (written instanceof Promise) return written.then((request) => this.#sendRequest(part, request, until))
      return this.#sendRequest(part, written, until)
    })
  }

  #sendRequest(part: ConnectorMessage, request: ConnectorRequest, until: Until): Promise<ConnectorResult> {
    const { connector } = this.#connection
    const tooBig = payloadProblem(connector, request)
    if (tooBig !== null) return Promise.resolve(resultOfLimit(tooBig))
    return this.#exchange(request, connector.answers, this.#connection.secretsFor(part, request), until)
  }

  #exchange(
    request: ConnectorRequest,
    rules: AnswerRules,
    secrets: readonly string[],
    until: Until,
  ): Promise<ConnectorResult> {
    return call(request, this.#deps, until).then((answer) =>
      'systemCode' in answer
        ? resultOfNoAnswer(answer)
        : classifyAnswer(rules, answer, this.#deps.clock.now(), secrets),
    )
  }

  /** One attempt under its deadline and with a token; a second one when the provider refused a token that was kept. */
  async #within(timeoutMs: number, signal: AbortSignal, attempt: Attempt): Promise<ConnectorResult> {
    try {
      if (this.#tokens === null) return await attempt(null, { signal, timeoutMs })
      return await this.#withToken(this.#tokens, timeoutMs, signal, attempt)
    } catch (error) {
      if (error instanceof RequestError) return resultOfRequestError(error)
      if (error instanceof TokenError) return resultOfTokenError(error)
      throw error
    }
  }

  /** The wait for the token is within the deadline. */
  async #withToken(tokens: TokenSource, timeoutMs: number, outer: AbortSignal, attempt: Attempt) {
    const deadline = deadlineOf(this.#deps.clock, timeoutMs, outer)
    const { signal } = deadline
    try {
      return await sendWithToken(tokens, { signal, timeoutMs: null }, attempt)
    } catch (error) {
      // Only the wait for a token rejects with the signal's reason, and then nothing was sent.
      if (signal.aborted && error === signal.reason) return resultOfNoAnswer(notSent(error))
      throw error
    } finally {
      deadline.clear()
    }
  }
}

/**
 * A 401 says for certain that nothing was delivered. One that comes for a token fetched just now would come again, so
 * that token is dropped, and no second one asked for.
 */
async function sendWithToken(tokens: TokenSource, until: Until, attempt: Attempt): Promise<ConnectorResult> {
  const { token, fresh } = await tokens.get(until.signal)
  const result = await attempt(token.value, until)
  if (result.statusCode !== 401 || result.class === 'accepted' || result.class === 'ambiguous') return result
  tokens.drop(token)
  if (fresh) return result
  const { token: next } = await tokens.get(until.signal)
  return attempt(next.value, until)
}
