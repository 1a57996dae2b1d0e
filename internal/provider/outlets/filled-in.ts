import type { ConnectionId } from '../../domain/connection.ts'
import { type FieldError, InvalidRequestError } from '../../domain/errors.ts'
import type { JsonObject } from '../../domain/notification.ts'
import type { Clock } from '../../port/clock.ts'
import type { ConnectionInput } from '../../port/connection-admin.ts'
import type { ConnectionRow, StoredConnection } from '../../port/connection-store.ts'
import type { ConfigField, ConnectorConfig } from '../connector/config.ts'
import { formatPath, nearest } from '../connector/problems.ts'
import { asList, asText } from '../connector/values.ts'
import type { Sealer } from '../sealing/sealer.ts'
import { withReplaced } from '../signing/signing-secret.ts'
import type { Catalog } from './catalog.ts'
import type { OutletKind } from './kind.ts'
import { openSecrets } from './state.ts'
import { trialProblem } from './trial.ts'

export interface FilledInDeps {
  readonly catalog: Pick<Catalog, 'entries' | 'lookUp'>
  readonly sealer: Sealer | null
  /** What speaks against calling a URL, completing "url: …"; null when nothing does. */
  readonly checkUrl: (url: string) => string | null
  readonly clock: Pick<Clock, 'now'>
}

/** What an operator filled in, checked and with its secrets sealed. */
export interface FilledIn {
  readonly row: ConnectionRow
  readonly kind: OutletKind
  readonly config: ConnectorConfig
}

/**
 * Checks what was filled in for a connection by the rules of its connector, and seals its secrets.
 * @param before what it replaces: secrets that are not given are kept from there. Null for a new one.
 * @throws InvalidRequestError that names every field.
 */
export function fillIn(
  id: ConnectionId,
  input: ConnectionInput,
  before: StoredConnection | null,
  deps: FilledInDeps,
): FilledIn {
  const kind = kindOf(input.connector, deps.catalog)
  const isSecret = (name: string) => kind.fields[name]?.secret === true
  const plain = Object.fromEntries(Object.entries(input.config).filter(([name]) => !isSecret(name)))
  const secrets = secretsOf(id, kind, input.config, plain, before, deps.sealer)
  const given = check(kind, { ...plain, ...secrets.values }, deps.checkUrl, secrets.dropped)
  const signing = signingSecretsOf(id, kind, given, plain, before, deps)
  const config = { ...given, ...signing }
  const problem = trialProblem(id, kind, config)
  if (problem !== null) {
    const message = `the connector cannot use it: ${problem.message}`
    throw refusal([fieldError(pathOf(problem.field ?? ''), 'invalid_config', message)])
  }
  const sealed = Object.fromEntries(
    Object.entries({ ...secrets.values, ...signing }).map(([field, value]) => [
      field,
      sealOf(id, field, value, before, deps.sealer),
    ]),
  )
  const { name: connector, channel } = kind
  return { row: { id, connector, channel, config: plain, secrets: sealed, enabled: input.enabled }, kind, config }
}

function kindOf(name: string, catalog: FilledInDeps['catalog']): OutletKind {
  const kind = catalog.lookUp(name)
  if (kind !== null) return kind
  const near = nearest(name, [...catalog.entries.keys()])
  const hint = near === null ? '' : `; did you mean ${JSON.stringify(near)}?`
  const expected = 'expected a connector of GET /v1/connectors, such as "twilio-sms@1"'
  throw refusal([fieldError('connector', 'unknown_connector', `${expected}, found ${JSON.stringify(name)}${hint}`)])
}

interface Secrets {
  readonly values: Readonly<Record<string, unknown>>
  /** Fields whose kept value must not go where the connection leads now. */
  readonly dropped: ReadonlySet<string>
}

/**
 * A kept secret stays only with the target it was given for. Else whoever may change a connection, but may not read its
 * secrets, would only have to point it at a server of their own.
 */
function secretsOf(
  id: ConnectionId,
  kind: OutletKind,
  given: JsonObject,
  plain: JsonObject,
  before: StoredConnection | null,
  sealer: Sealer | null,
): Secrets {
  const isKept = (name: string) =>
    kind.fields[name]?.secret === true && (given[name] === undefined || given[name] === '')
  const kept = Object.keys(before?.secrets ?? {}).filter(isKept) // a newer version may have a field less
  const values: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(given)) {
    if (kind.fields[name]?.secret === true && value !== null && value !== '') values[name] = value
  }
  if (sealer === null && Object.keys(values).length > 0) {
    throw refusal(Object.keys(values).map((name) => fieldError(pathOf(name), 'no_encryption_key', noKey)))
  }
  if (before === null || kept.length === 0) return { values, dropped: new Set() }
  if (!leadsToTheSame(kind, plain, before)) return { values, dropped: new Set(kept) }
  const opened = openSecrets({ id, secrets: pick(before.secrets, kept) }, sealer)
  if ('problem' in opened) {
    const again = kept.map((name) =>
      fieldError(pathOf(name), 'unreadable', `expected it again, found that ${opened.problem}`),
    )
    throw refusal(again)
  }
  return { values: { ...opened.secrets, ...values }, dropped: new Set() }
}

/** Beside those that are given, for a while, those that they replace; not where the connection leads elsewhere. */
function signingSecretsOf(
  id: ConnectionId,
  kind: OutletKind,
  given: ConnectorConfig,
  plain: JsonObject,
  before: StoredConnection | null,
  { sealer, clock }: Pick<FilledInDeps, 'sealer' | 'clock'>,
): ConnectorConfig {
  if (before === null || !leadsToTheSame(kind, plain, before)) return {}
  const lists = Object.entries(kind.fields).flatMap(([name, { graceHours }]) => {
    const [secrets, hours] = [given[name], given[graceHours ?? '']]
    const opened = openSecrets({ id, secrets: pick(before.secrets, [name]) }, sealer)
    // One that cannot be read any more signs nothing any more.
    if (secrets === undefined || typeof hours !== 'number' || 'problem' in opened) return []
    const texts = [secrets, opened.secrets[name]].map((value) => asList(value).map(asText))
    const [now = [], earlier = []] = texts
    return [[name, withReplaced(now, earlier, clock.now().getTime(), hours * hourMs)] as const]
  })
  return Object.fromEntries(lists)
}

const hourMs = 3_600_000

const noKey =
  'expected ENCRYPTION_KEY to be set where the engine runs, since secrets are only kept sealed, found that it is not'

function leadsToTheSame(kind: OutletKind, plain: JsonObject, before: StoredConnection): boolean {
  if (before.connector.split('@')[0] !== kind.id) return false
  return Object.entries(kind.fields)
    .filter(([name, field]) => !field.secret && leads(name, field))
    .every(([name]) => JSON.stringify(plain[name] ?? null) === JSON.stringify(before.config[name] ?? null))
}

/** Fields that say which server the secrets are shown to. */
function leads(name: string, { type }: ConfigField): boolean {
  return type === 'url' || name === 'host' || name === 'port'
}

function check(
  kind: OutletKind,
  config: Readonly<Record<string, unknown>>,
  checkUrl: FilledInDeps['checkUrl'],
  dropped: ReadonlySet<string>,
): ConnectorConfig {
  const checked = kind.check(config)
  const errors: FieldError[] = []
  if (!checked.ok) {
    for (const { field, found, expected, didYouMean } of checked.problems) {
      const hint = didYouMean === null ? '' : `; did you mean ${JSON.stringify(didYouMean)}?`
      const again = dropped.has(field) ? leadsElsewhere : ''
      errors.push(fieldError(pathOf(field), 'invalid_config', `expected ${expected}${again}, found ${found}${hint}`))
    }
    throw refusal(errors)
  }
  // An optional secret that was kept would vanish without a word.
  for (const field of dropped) {
    if (checked.config[field] === undefined && config[field] === undefined) {
      errors.push(
        fieldError(
          pathOf(field),
          'secret_needed',
          `expected a value, or null for none${leadsElsewhere}, found nothing`,
        ),
      )
    }
  }
  for (const [name, { type }] of Object.entries(kind.fields)) {
    const url = checked.config[name]
    const against = type === 'url' && typeof url === 'string' ? checkUrl(url) : null
    if (against !== null) errors.push(fieldError(pathOf(name), 'blocked_address', against))
  }
  if (errors.length > 0) throw refusal(errors)
  return checked.config
}

const leadsElsewhere = ' (again: the connection now leads elsewhere)'

/** What was kept keeps its sealed text too, unless the key has changed since. */
function sealOf(
  id: ConnectionId,
  field: string,
  value: unknown,
  before: StoredConnection | null,
  sealer: Sealer | null,
): string {
  if (sealer === null) throw new Error('secrets were let through without a key')
  const known = before?.secrets[field]
  const plain = JSON.stringify(value)
  const place = { connection: id, field }
  const isKept = known !== undefined && sealer.isCurrent(known) && opensAs(known, plain, place, sealer)
  return isKept ? known : sealer.seal(plain, place)
}

function opensAs(sealed: string, plain: string, place: Parameters<Sealer['open']>[1], sealer: Sealer): boolean {
  try {
    return sealer.open(sealed, place) === plain
  } catch {
    return false
  }
}

function pick<T>(record: Readonly<Record<string, T>>, names: readonly string[]): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => names.includes(name)))
}

function pathOf(field: string): string {
  return field === '' ? 'config' : formatPath(['config', field])
}

/** `message` goes on after the path. */
export function fieldError(path: string, code: string, message: string): FieldError {
  return { path, code, message: `${path}: ${message}` }
}

export function refusal(errors: readonly FieldError[]): InvalidRequestError {
  const more = errors.length - 1
  const rest = more <= 0 ? '' : ` (and ${more} more ${more === 1 ? 'error' : 'errors'})`
  return new InvalidRequestError(`${errors[0]?.message ?? 'the request is not valid'}${rest}`, errors)
}
