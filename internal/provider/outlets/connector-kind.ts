import type { ConnectionId } from '../../domain/connection.ts'
import type { Claimed } from '../../port/notification-store.ts'
import type { BrokenLimit, Bucket, MessageTexts, TryResult } from '../../port/outlet.ts'
import { providerKey } from '../../port/provider.ts'
import type { ConnectorResult } from '../connector/answer.ts'
import type { CallDeps } from '../connector/call.ts'
import type { Connector } from '../connector/compile.ts'
import { type ConnectorConfig, checkConfig } from '../connector/config.ts'
import { checkLimits } from '../connector/limits.ts'
import type { ConnectorMessage } from '../connector/message.ts'
import type { ConnectorDocument } from '../connector/schema.ts'
import { ConnectorSender } from '../connector/sender.ts'
import { durationMs } from '../connector/values.ts'
import { channelOf, type OpenOutlet, type OutletKind } from './kind.ts'

/** What every connection made of a connector shares. */
export interface ConnectorDeps extends CallDeps {
  /** Shown in `User-Agent`. */
  readonly version: string
}

/** A connector document as a kind of outlet; null when its channel is none of this engine. */
export function kindOfConnector(connector: Connector, deps: ConnectorDeps): OutletKind | null {
  const { document, name, deduplicates: repeatable } = connector
  const { id, version, display, recipient, config: fields } = document
  const channel = channelOf(document.channel)
  if (channel === null) return null
  return {
    name,
    id,
    version,
    channel,
    display,
    recipient,
    fields,
    canProbe: connector.probe !== null,
    repeatable,
    check: (config) => checkConfig(connector, config),
    open: (connection, config) => new ConnectorOutlet(connection, connector, config, deps),
  }
}

class ConnectorOutlet implements OpenOutlet {
  readonly id: ConnectionId
  readonly connector: string
  readonly repeatable: boolean
  readonly buckets: readonly Bucket[]
  readonly #connector: Connector
  readonly #sender: ConnectorSender

  constructor(id: ConnectionId, connector: Connector, config: ConnectorConfig, { version, ...deps }: ConnectorDeps) {
    this.id = id
    this.connector = connector.name
    this.repeatable = connector.deduplicates
    this.buckets = connector.document.rates.map(bucketOf)
    this.#connector = connector
    this.#sender = new ConnectorSender(connector, config, deps, { version })
  }

  segments(message: Claimed): number {
    const fitting = checkLimits(this.#connector, messageOf(message))
    return fitting.ok ? (fitting.segments ?? 1) : 1 // what does not fit is refused by the send, and costs nothing
  }

  brokenLimit(texts: MessageTexts): BrokenLimit | null {
    const fitting = checkLimits(this.#connector, { key: '', ...texts })
    return fitting.ok ? null : fitting.problem
  }

  send(message: Claimed, signal: AbortSignal): Promise<TryResult> {
    return this.#sender.send(messageOf(message), signal).then(toTryResult)
  }

  async probe(signal: AbortSignal): Promise<TryResult | null> {
    const result = await this.#sender.probe(signal)
    return result === null ? null : toTryResult(result)
  }

  close(): void {
    this.#sender.close()
  }
}

function bucketOf({ concurrency, limit, per, burst, cost, scope }: ConnectorDocument['rates'][number]): Bucket {
  if (concurrency !== undefined) return { kind: 'concurrency', limit: concurrency }
  if (limit === undefined || per === undefined)
    throw new TypeError('a rate that the checks let through has limit and per')
  return {
    kind: 'rate',
    scope: scope ?? 'connection',
    limit,
    perMs: durationMs(per),
    burst: burst ?? Math.max(1, Math.floor(limit / 10)), // as for the channels: a tenth, at least 1
    cost: cost ?? 'message',
  }
}

function messageOf(message: Claimed): ConnectorMessage {
  const { id, recipient, content, title, html, data, tags, metadata, priority, channel, correlationId } = message
  return {
    id,
    key: providerKey(message),
    to: recipient,
    content,
    title,
    html,
    data,
    tags,
    metadata,
    priority,
    channel: channel.toLowerCase(),
    correlationId,
    attempt: message.attempt,
    createdAt: message.createdAt.toISOString(),
  }
}

function toTryResult(result: ConnectorResult): TryResult {
  const { rule } = result
  return { ...result, rule: rule === null ? null : (rule.name ?? `errors[${rule.index}]`) }
}
