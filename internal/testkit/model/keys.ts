import type { NewNotification, NotificationId } from '../../domain/notification.ts'

interface Key {
  readonly bodyHash: string | null
  readonly id: NotificationId
  readonly expiresAtMs: number
}

/** Who holds an idempotency key, and for which body; a key whose time is over is taken over. */
export class ModelKeys {
  readonly #keys = new Map<string, Key>()
  readonly #nowMs: () => number
  readonly #ttlMs: number

  constructor(nowMs: () => number, ttlMs: number) {
    this.#nowMs = nowMs
    this.#ttlMs = ttlMs
  }

  /**
   * The first item whose key is held for another body: by an earlier item of the request, else by an earlier request;
   * -1 when none is.
   */
  conflictIn(request: readonly NewNotification[]): number {
    const taken = new Map<string, string | null>()
    const within = request.findIndex((item) => {
      const name = nameOf(item)
      if (name === null) return false
      const hash = taken.get(name) ?? item.bodyHash
      taken.set(name, hash)
      return hash !== item.bodyHash
    })
    if (within !== -1) return within
    return request.findIndex((item) => {
      const name = nameOf(item)
      const held = name === null ? null : this.#live(name)
      return held !== null && held.bodyHash !== item.bodyHash
    })
  }

  /** The id under which the item is stored: its own, unless its key is held already. */
  take(item: NewNotification): NotificationId {
    const name = nameOf(item)
    if (name === null) return item.id
    const held = this.#live(name)
    if (held !== null) return held.id
    this.#keys.set(name, { id: item.id, bodyHash: item.bodyHash, expiresAtMs: this.#nowMs() + this.#ttlMs })
    return item.id
  }

  #live(name: string): Key | null {
    const key = this.#keys.get(name)
    return key !== undefined && key.expiresAtMs > this.#nowMs() ? key : null
  }
}

function nameOf({ tenant, idempotencyKey }: NewNotification): string | null {
  return idempotencyKey === null ? null : JSON.stringify([tenant, idempotencyKey])
}
