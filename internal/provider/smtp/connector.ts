import { X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { type ConfigCheck, type ConfigProblem, type ConnectorConfig, checkConfig } from '../connector/config.ts'
import { type ConnectorDocument, connectorSchema } from '../connector/schema.ts'
import { singleAddress } from './address.ts'

/** A connector that is code: it is listed, shown as a form and checked as the documents are. */
export interface NativeConnector {
  /** `<id>@<version>`: stored with attempts. */
  readonly name: string
  readonly document: Pick<
    ConnectorDocument,
    'id' | 'version' | 'channel' | 'display' | 'config' | 'recipient' | 'limits' | 'rates'
  >
}

/** Text of one header or of one part of a log-in. */
const oneLine = '[^\\p{Cc}\\p{Zl}\\p{Zp}]+'
const address = { type: 'string', pattern: '[^@\\s]+@[^@\\s]+', max: 254 } as const
const timeout = (help: string, fallback: number) =>
  ({ type: 'integer', min: 100, max: 120_000, default: fallback, help: `${help}, in milliseconds.` }) as const

const described = connectorSchema
  .pick({ id: true, version: true, channel: true, display: true, config: true, recipient: true })
  .extend({ limits: connectorSchema.shape.limits, rates: connectorSchema.shape.rates })
  .parse({
    id: 'smtp',
    version: 1,
    channel: 'email',
    display: {
      name: 'SMTP',
      docs: 'https://www.rfc-editor.org/rfc/rfc6409',
      description: 'Email over any mail relay, by message submission.',
    },
    config: {
      host: {
        type: 'string',
        label: 'Host',
        required: true,
        max: 253,
        pattern: '[A-Za-z0-9._:-]+',
        example: 'smtp.example.com',
        help: 'Name or IP address of the relay. A private address must lie in a network that outgoing calls may reach.',
      },
      port: { type: 'integer', label: 'Port', min: 1, max: 65_535, default: 587 },
      security: {
        type: 'string',
        label: 'Encryption',
        enum: ['starttls', 'tls', 'none'],
        default: 'starttls',
        help: 'starttls: encryption is asked for and never done without. tls: from the first byte, usually port 465. none: only to the networks that outgoing calls were allowed by name.',
      },
      username: { type: 'string', label: 'User name', pattern: oneLine, max: 320, example: 'mailer' },
      password: { type: 'string', label: 'Password', secret: true, pattern: oneLine, example: 'example-password' },
      from: { ...address, label: 'Sender address', required: true, example: 'alerts@example.com' },
      fromName: { type: 'string', label: 'Sender name', pattern: oneLine, max: 128, example: 'Alerts' },
      replyTo: { ...address, label: 'Reply to', example: 'support@example.com' },
      ehloName: {
        type: 'string',
        label: 'Name of this server',
        pattern: '[A-Za-z0-9][A-Za-z0-9.-]*|\\[[A-Fa-f0-9.:]+\\]|\\[IPv6:[A-Fa-f0-9.:]+\\]',
        max: 253,
        example: 'mail.example.com',
        help: 'Told to the relay in EHLO; the name of the machine unless given.',
      },
      caCertificate: {
        type: 'string',
        label: 'Certificate authority',
        help: 'PEM. The relay is trusted by this authority alone, not by the public ones.',
      },
      connections: {
        type: 'integer',
        label: 'Connections',
        min: 1,
        max: 100,
        default: 5,
        help: 'Messages sent at once, over as many kept connections.',
      },
      messagesPerConnection: { type: 'integer', min: 1, max: 10_000, default: 100 },
      connectTimeoutMs: timeout('For name look-up and TCP', 5_000),
      greetingTimeoutMs: timeout('For the greeting and the TLS handshake together', 10_000),
      idleTimeoutMs: timeout('Longest silence of the relay within a session', 60_000),
    },
    recipient: { format: 'email' },
  })

export const smtpConnector: NativeConnector = { name: `${described.id}@${described.version}`, document: described }

const settingsSchema = z.object({
  host: z.string(),
  port: z.number(),
  security: z.enum(['starttls', 'tls', 'none']),
  username: z.string().nullable().default(null),
  password: z.string().nullable().default(null),
  from: z.string().transform((text) => singleAddress(text) ?? text),
  fromName: z.string().nullable().default(null),
  replyTo: z.string().nullable().default(null),
  ehloName: z.string().nullable().default(null),
  caCertificate: z.string().nullable().default(null),
  connections: z.number(),
  messagesPerConnection: z.number(),
  connectTimeoutMs: z.number(),
  greetingTimeoutMs: z.number(),
  idleTimeoutMs: z.number(),
})

export type SmtpSettings = Readonly<z.output<typeof settingsSchema>>

/** @param config what {@link checkSmtpConfig} gave. */
export function settingsOf(config: ConnectorConfig): SmtpSettings {
  return settingsSchema.parse(config)
}

/** `checkConfig` and what no pattern can tell: every problem is listed, no secret is repeated. */
export function checkSmtpConfig(config: unknown): ConfigCheck {
  const checked = checkConfig(smtpConnector, config)
  if (!checked.ok) return checked
  const problems = problemsOf(settingsOf(checked.config))
  return problems.length === 0 ? checked : { ok: false, problems }
}

function problemsOf(settings: SmtpSettings): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = []
  const report = (field: string, found: string, expected: string) =>
    void problems.push({ field, found, expected, didYouMean: null })
  const { host, port, from, replyTo, username, password, caCertificate } = settings
  if (relayUrl({ host, port }) === null) report('host', JSON.stringify(host), 'a host name or an IP address')
  for (const [field, text] of Object.entries({ from, replyTo })) {
    if (text !== null && singleAddress(text) === null)
      report(field, JSON.stringify(text), 'one email address such as alerts@example.com')
  }
  if (password === null && username !== null) report('password', 'nothing', 'the password of the user name')
  if (username === null && password !== null) report('username', 'nothing', 'the user name of the password')
  if (caCertificate !== null && !isCertificate(caCertificate))
    report('caCertificate', 'a text that cannot be read', 'a certificate in PEM, from its BEGIN line to its END line')
  return problems
}

/** The relay as the egress guard reads targets; null when its host is no host. */
export function relayUrl({ host, port }: Pick<SmtpSettings, 'host' | 'port'>): URL | null {
  const name = host.includes(':') ? `[${host}]` : host
  return URL.parse(`https://${name}:${port}`)
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).publicKey.type === 'public'
  } catch {
    return false
  }
}
