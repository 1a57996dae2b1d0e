import { type AnswerRules, type ConnectorResult, classifyAnswer } from './answer.ts'
import { type CallDeps, call, deadlineOf, notSent } from './call.ts'
import type { Connector } from './compile.ts'
import type { ConnectorConfig } from './config.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import { checkLimits, payloadProblem } from './limits.ts'
import type { ConnectorMessage } from './message.ts'
import { type ConnectorRequest, RequestError } from './request.ts'
import { resultOfLimit, resultOfNoAnswer, resultOfPart, resultOfRequestError, resultOfTokenError } from './results.ts'
import { TokenError, TokenSource } from './tokens.ts'

type Attempt = (token: string | null, signal: AbortSignal) => Promise<ConnectorResult>

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
  async send(message: ConnectorMessage, signal: AbortSignal): Promise<ConnectorResult> {
    const { connector } = this.#connection
    const fitting = checkLimits(connector, message)
    if (!fitting.ok) return resultOfLimit(fitting.problem)
    const { timeoutMs } = connector.request
    const sendPart = (part: ConnectorMessage) =>
      this.#within(timeoutMs, signal, (token, until) => this.#sendOne(part, token, until))
    const [head, ...rest] = fitting.messages
    const first = await sendPart(head)
    if (first.class !== 'accepted') return first
    for (const [index, part] of rest.entries()) {
      const result = await sendPart(part)
      if (result.class !== 'accepted') return resultOfPart(result, index + 2, rest.length + 1)
    }
    return first
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

  async #sendOne(message: ConnectorMessage, token: string | null, signal: AbortSignal): Promise<ConnectorResult> {
    const { connector } = this.#connection
    const request = await this.#connection.write(message, this.#deps.clock.now(), token)
    const tooBig = payloadProblem(connector, request)
    if (tooBig !== null) return resultOfLimit(tooBig)
    return this.#exchange(request, connector.answers, this.#connection.secretsFor(message, request), signal)
  }

  async #exchange(
    request: ConnectorRequest,
    rules: AnswerRules,
    secrets: readonly string[],
    signal: AbortSignal,
  ): Promise<ConnectorResult> {
    const answer = await call(request, this.#deps, signal)
    if ('systemCode' in answer) return resultOfNoAnswer(answer)
    return classifyAnswer(rules, answer, this.#deps.clock.now(), secrets)
  }

  /** One attempt under its deadline and with a token; a second one when the provider refused a token that was kept. */
  async #within(timeoutMs: number, signal: AbortSignal, attempt: Attempt): Promise<ConnectorResult> {
    const deadline = deadlineOf(this.#deps.clock, timeoutMs, signal)
    try {
      if (this.#tokens === null) return await attempt(null, deadline.signal)
      return await withToken(this.#tokens, deadline.signal, attempt)
    } catch (error) {
      if (error instanceof RequestError) return resultOfRequestError(error)
      if (error instanceof TokenError) return resultOfTokenError(error)
      // Only the wait for a token rejects with the signal's reason, and then nothing was sent.
      if (deadline.signal.aborted && error === deadline.signal.reason) return resultOfNoAnswer(notSent(error))
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
async function withToken(tokens: TokenSource, signal: AbortSignal, attempt: Attempt): Promise<ConnectorResult> {
  const { token, fresh } = await tokens.get(signal)
  const result = await attempt(token.value, signal)
  if (result.statusCode !== 401 || result.class === 'accepted' || result.class === 'ambiguous') return result
  tokens.drop(token)
  if (fresh) return result
  const { token: next } = await tokens.get(signal)
  return attempt(next.value, signal)
}
