import { type DsnParts, keywordForm, urlForm } from './dsn-forms.ts'
import type { Parsed } from './parsers.ts'

const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full']
const sessionAttributes = ['read-write', 'read-only', 'primary', 'standby', 'prefer-standby']

/** Settings of other clients, or of libpq, that change nothing the engine relies on. */
const ignoredParameters = words(`
  channel_binding client_encoding connection_limit default_query_exec_mode description_cache_capacity
  fallback_application_name gssdelegation gssencmode gsslib keepalives keepalives_count keepalives_idle
  keepalives_interval krbsrvname load_balance_hosts pgbouncer pool_health_check_period pool_max_conn_idle_time
  pool_max_conn_lifetime pool_max_conns pool_min_conns pool_timeout requiressl schema socket_timeout sslcompression
  sslsni statement_cache_capacity statement_cache_mode tcp_user_timeout
`)

/** Dropping one of these would connect to another place, or less safely, than was asked for. */
const refusedParameters = words(`
  hostaddr passfile replication require_auth requirepeer service servicefile ssl_max_protocol_version
  ssl_min_protocol_version sslcert sslcertmode sslcrl sslcrldir sslkey sslpassword
`)

function words(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/))
}

/**
 * Makes one `postgres://` URL of either form of a connection string: URL, or libpq keywords as in
 * `host=db user=app password='a b' dbname=app sslmode=disable`. Unknown parameters stay in the query; the server gets
 * them as run-time parameters (`TimeZone`, `application_name`). No problem or note repeats a value.
 */
export function databaseUrl(untrimmed: string): Parsed<string> {
  const raw = untrimmed.trim()
  const isUrl = /^postgres(ql)?:\/\//i.test(raw)
  if (!isUrl && !/^[A-Za-z_][\w.]*\s*=/.test(raw)) return { ok: false }
  const form = isUrl ? urlForm(raw) : keywordForm(raw)
  return form.ok ? render(form.parts) : { ok: false, why: form.problem }
}

function render(parts: DsnParts): Parsed<string> {
  const given = new Map(parts.map(([name, value]) => [name === 'database' ? 'dbname' : name, value])) // the last wins
  const hosts = renderHosts(given.get('host') ?? '', given.get('port') ?? '')
  if (!hosts.ok) return hosts
  const dbname = given.get('dbname') ?? ''
  // The client takes the path as it stands, so a name that needs encoding would be another name.
  if (!/^[\w.$~-]*$/.test(dbname)) {
    return { ok: false, why: 'the database name may hold letters, digits and _ . $ ~ - only' }
  }
  const query = new URLSearchParams()
  const notes: string[] = []
  for (const [name, value] of given) {
    if (['host', 'port', 'user', 'password', 'dbname'].includes(name)) continue
    const problem = parameterProblem(name, value)
    if (problem !== null) return { ok: false, why: problem }
    if (isIgnored(name, value)) notes.push(`parameter ${name} is not used`)
    // As in libpq, the system's roots mean full verification; the client itself does not know the parameter.
    else if (name === 'sslrootcert') query.set('sslmode', 'verify-full')
    else if (!(name === 'sslmode' && given.has('sslrootcert'))) query.set(name, value)
  }
  const url = `postgres://${userInfo(given)}${hosts.value}/${dbname}${query.size === 0 ? '' : `?${query.toString()}`}`
  return { ok: true, value: url, notes }
}

function userInfo(given: ReadonlyMap<string, string>): string {
  const user = encode(given.get('user') ?? '')
  const password = encode(given.get('password') ?? '')
  if (user === '' && password === '') return ''
  return password === '' ? `${user}@` : `${user}:${password}@`
}

/** `encodeURIComponent` throws on a lone surrogate; such text cannot be a name in PostgreSQL anyway. */
function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed())
}

function isIgnored(name: string, value: string): boolean {
  return ignoredParameters.has(name) || (name === 'target_session_attrs' && value === 'any')
}

function parameterProblem(name: string, value: string): string | null {
  if (refusedParameters.has(name)) return `parameter ${name} is not supported`
  if (name === 'sslrootcert' && value !== 'system') {
    return 'parameter sslrootcert may only be system; give other roots to Node with NODE_EXTRA_CA_CERTS'
  }
  if (name === 'sslmode' && !sslModes.includes(value)) return `sslmode must be one of ${sslModes.join(', ')}`
  if (name === 'target_session_attrs' && value !== 'any' && !sessionAttributes.includes(value)) {
    return `target_session_attrs must be one of any, ${sessionAttributes.join(', ')}`
  }
  return null
}

function renderHosts(host: string, port: string): Parsed<string> {
  const hosts = host.split(',').map((one) => (one === '' ? 'localhost' : one))
  const ports = port.split(',')
  if (ports.length !== 1 && ports.length !== hosts.length) {
    return { ok: false, why: 'give one port, or as many ports as hosts' }
  }
  const rendered: string[] = []
  for (const [index, one] of hosts.entries()) {
    const onePort = (ports.length === 1 ? ports[0] : ports[index]) ?? ''
    const why = hostProblem(one) ?? portProblem(onePort)
    if (why !== null) return { ok: false, why }
    rendered.push(onePort === '' ? one : `${one}:${onePort}`)
  }
  return { ok: true, value: rendered.join(',') }
}

function hostProblem(host: string): string | null {
  if (host.startsWith('/') || host.startsWith('@')) {
    return 'a Unix socket is not supported: give a host name or an IPv4 address'
  }
  if (host.includes(':')) return 'a bare IPv6 address is not supported: give a host name that resolves to it'
  return /^[A-Za-z0-9._-]+$/.test(host) ? null : 'the host must be a host name or an IPv4 address'
}

function portProblem(port: string): string | null {
  const good = port === '' || (/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)
  return good ? null : 'the port must be a number from 1 to 65535'
}
