import type { ParkedList, ParkedMessages } from '../port/parked.ts'

/** The built-in broker carries only what this process wrote, so there is nothing that nobody can read. */
export class NoParkedMessages implements ParkedMessages {
  list(): Promise<ParkedList> {
    return Promise.resolve({ total: 0, messages: [] })
  }

  drop(): Promise<number> {
    return Promise.resolve(0)
  }
}
