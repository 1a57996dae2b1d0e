/** A part of the process that is started once and stopped once. */
export interface Component {
  readonly name: string
  /** Resolves when ready to work; rejects when it cannot start. */
  start(): Promise<void>
  /** Takes no new work, finishes the work in hand. Safe to call twice, or before start. */
  stop(): Promise<void>
}
