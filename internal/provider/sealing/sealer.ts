import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'

/** Of AES-256. */
export const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16
const format = 's1'

/** A sealed text that cannot be opened. Says why, and nothing of what is in it. */
export class UnsealError extends Error {
  override readonly name = 'UnsealError'
}

/** What a value belongs to: sealed with it, so that it opens nowhere else. */
export interface SealedPlace {
  readonly connection: string
  readonly field: string
}

interface Key {
  readonly id: string
  readonly bytes: Uint8Array
}

/**
 * Seals secrets for the database with AES-256-GCM: `s1.<key id>.<nonce>.<ciphertext and tag>`, the last two in base64url.
 * The nonce is random; the key id is made of the key and says which one opens it. The place goes in as associated data:
 * a sealed value that is copied to another connection or field does not open.
 */
export class Sealer {
  readonly #current: Key
  readonly #keys: readonly Key[]

  /**
   * @param current seals and opens, {@link keyBytes} long.
   * @param previous only opens: what was sealed before a rotation.
   * @throws RangeError when a key has another length.
   */
  constructor(current: Uint8Array, previous: Uint8Array | null = null) {
    this.#current = keyOf(current)
    this.#keys = previous === null ? [this.#current] : [this.#current, keyOf(previous)]
  }

  seal(plain: string, place: SealedPlace): string {
    const { id, bytes } = this.#current
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv('aes-256-gcm', bytes, nonce, { authTagLength: tagBytes })
    cipher.setAAD(associated(id, place))
    const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()])
    return [format, id, nonce.toString('base64url'), sealed.toString('base64url')].join('.')
  }

  /** @throws UnsealError when the key is not here, or the text was changed or moved. */
  open(text: string, place: SealedPlace): string {
    const [version, keyId = '', nonceText = '', sealedText = ''] = text.split('.')
    if (version !== format) throw new UnsealError('it is not in a form that this version can read')
    const key = this.#keys.find(({ id }) => id === keyId)
    if (key === undefined) throw new UnsealError(`it was sealed under another key (${keyId.slice(0, 16)})`)
    const nonce = Buffer.from(nonceText, 'base64url')
    const sealed = Buffer.from(sealedText, 'base64url')
    if (nonce.byteLength !== nonceBytes || sealed.byteLength < tagBytes) throw new UnsealError(changed)
    try {
      const decipher = createDecipheriv('aes-256-gcm', key.bytes, nonce, { authTagLength: tagBytes })
      decipher.setAAD(associated(keyId, place))
      decipher.setAuthTag(sealed.subarray(-tagBytes))
      return Buffer.concat([decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()]).toString('utf8')
    } catch (error) {
      throw new UnsealError(changed, { cause: error })
    }
  }

  /** Sealed under the current key: need not be sealed again. */
  isCurrent(text: string): boolean {
    return text.startsWith(`${format}.${this.#current.id}.`)
  }
}

const changed = 'it was changed, or moved here from another connection or field'

function keyOf(bytes: Uint8Array): Key {
  if (bytes.byteLength !== keyBytes) throw new RangeError(`a key must have ${keyBytes} bytes, got ${bytes.byteLength}`)
  // Of a hash under a name of its own: tells two keys apart, tells nothing of either.
  const id = createHash('sha256').update('dispatch-engine key id\0').update(bytes).digest('hex').slice(0, 16)
  return { id, bytes }
}

/** No part can hold a NUL: ids and field names are letters and digits. */
function associated(keyId: string, { connection, field }: SealedPlace): Buffer {
  return Buffer.from([format, keyId, connection, field].join('\0'))
}
