import { openSetting } from './field.ts'
import { type Parser, text } from './parsers.ts'
import type { Reading, SettingsReader } from './reader.ts'

const keyBytes = 32
const pathMax = 4_096

/** A key of 256 bits, however it is written. */
const key: Parser<Uint8Array> = {
  expected: `${keyBytes} random bytes as base64 or hex, such as "openssl rand -base64 ${keyBytes}" makes`,
  parse(raw) {
    const bytes = readKey(raw)
    if (bytes === null) return { ok: false }
    if (bytes.byteLength !== keyBytes) return { ok: false, why: `these are ${bytes.byteLength} bytes` }
    // Zeros, or one word over and over: typed by hand to get past this check.
    if (new Set(bytes).size < keyBytes / 2) return { ok: false, why: 'these bytes are not random' }
    return { ok: true, value: bytes }
  },
}

/** Hex first: 64 hex digits would be base64 of 48 bytes too. */
function readKey(raw: string): Uint8Array | null {
  if (/^(?:[0-9a-f]{2})+$/i.test(raw) && raw.length === keyBytes * 2) return Buffer.from(raw, 'hex')
  return /^[A-Za-z0-9+/_-]+={0,2}$/.test(raw) ? Buffer.from(raw, 'base64') : null
}

/** Connections and routes: where they come from, and how their secrets are kept. */
export const connectionFields = {
  encryptionKey: openSetting({
    env: 'ENCRYPTION_KEY',
    group: 'Sending',
    parse: key,
    otherwise: 'none: connections with secrets are refused by the API',
    secrecy: 'all',
    example: 'Y2hvb3NlLTMyLXJhbmRvbS1ieXRlcy1mb3ItdGhpcyE=',
    help: 'Seals the secrets of connections in the database. Keep it apart from the database: whoever has both can read them, whoever has lost it must enter them again.',
  }),
  encryptionKeyPrevious: openSetting({
    env: 'ENCRYPTION_KEY_PREVIOUS',
    group: 'Sending',
    parse: key,
    otherwise: 'none',
    secrecy: 'all',
    example: 'dGhlLWtleS10aGF0LXdhcy11c2VkLWJlZm9yZS1pdCE=',
    help: 'The key before ENCRYPTION_KEY, while it is being replaced: what is sealed under it is read, and sealed anew at the start.',
  }),
  connectorsDir: openSetting({
    env: 'CONNECTORS_DIR',
    group: 'Sending',
    parse: text('a path', pathMax),
    otherwise: 'none: the connectors shipped with the engine',
    example: './my-connectors',
    help: 'Folder of your own connector files, beside those that are shipped. Changes are taken over without a restart.',
  }),
  connectionsFile: openSetting({
    env: 'CONNECTIONS_FILE',
    group: 'Sending',
    parse: text('a path', pathMax),
    otherwise: 'none: connections and routes of the API',
    example: './connections.yaml',
    help: 'YAML file of connections and routes, beside those of the API; ${NAME} in it is a variable of the environment. Changes are taken over without a restart.',
  }),
}

/** Where connections and routes come from, beside the database. */
export interface ConnectionsConfig {
  /** 32 bytes; null = secrets cannot be kept. */
  readonly encryptionKey: Uint8Array | null
  readonly encryptionKeyPrevious: Uint8Array | null
  readonly connectorsDir: string | null
  readonly connectionsFile: string | null
}

export function readConnectionFields(from: SettingsReader): {
  readonly [Name in keyof ConnectionsConfig]: Reading<ConnectionsConfig[Name]>
} {
  return {
    encryptionKey: from.readOpen(connectionFields.encryptionKey),
    encryptionKeyPrevious: from.readOpen(connectionFields.encryptionKeyPrevious),
    connectorsDir: from.readOpen(connectionFields.connectorsDir),
    connectionsFile: from.readOpen(connectionFields.connectionsFile),
  }
}
