import type { Deliver, Notification } from '../deliver.ts'

export interface PeerOptions {
  readonly databaseUrl: string
  readonly redisUrl: string
  /** Sends under way at once. */
  readonly concurrency: number
  readonly deliver: Deliver
}

/** A queue library with a few lines around it: what a user would build instead of running an engine. */
export interface Peer {
  /** Resolves when the library says that it is stored. */
  add(one: Notification): Promise<unknown>
  addMany(all: readonly Notification[]): Promise<unknown>
  /** Jobs that wait, run, or are delayed. */
  unfinished(): Promise<number>
  close(): Promise<void>
}

export type OpenPeer = (options: PeerOptions) => Promise<Peer>
