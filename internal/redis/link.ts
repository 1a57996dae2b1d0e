import type { Redis } from 'ioredis'
import type { Component } from '../lifecycle/component.ts'
import { defineBuckets } from './bucket-scripts.ts'
import { answerWithinMs, makeRedis, within } from './client.ts'
import { defineStanding } from './standing-scripts.ts'

/**
 * The connection for what concerns the operator's own connections. Loss and return are told by the rate limiter, which
 * has one of its own to the same server and asks it every second.
 */
export class RedisLink implements Component {
  readonly name = 'redis link'
  readonly #redis: Redis
  #firstConnect: Promise<void> = Promise.resolve()

  /** @param url `redis://` or `rediss://`. */
  constructor(url: string) {
    this.#redis = makeRedis(url)
    defineBuckets(this.#redis)
    defineStanding(this.#redis)
    this.#redis.on('error', () => undefined)
  }

  /** Does not wait for Redis. */
  async start(): Promise<void> {
    this.#firstConnect = this.#redis.connect().catch(() => undefined)
  }

  async stop(): Promise<void> {
    this.#redis.disconnect()
  }

  /** @throws whatever went wrong, within 190 ms. */
  ask<T>(command: (redis: Redis) => Promise<T>): Promise<T> {
    return within(answerWithinMs, this.#send(command))
  }

  /** Nobody waits for it, and it does not matter when it is lost. */
  tell(command: (redis: Redis) => Promise<unknown>): void {
    this.#send(command).catch(() => undefined)
  }

  async #send<T>(command: (redis: Redis) => Promise<T>): Promise<T> {
    await this.#firstConnect // only the first moments of a process wait here
    return command(this.#redis)
  }
}
