import { Journal } from './journal.ts'

/** What was disturbed: a dependency, the way to the targets, or a process that was halted. */
export type Subject = 'postgres' | 'rabbitmq' | 'redis' | 'target' | 'process'

/** A time in which something could not be relied on, because the rig saw to it. Epoch milliseconds. */
export interface Disturbance {
  readonly subject: Subject
  readonly what: string
  /** Only this process felt it; null = all. */
  readonly pid: number | null
  readonly from: number
  /** Infinity while it lasts. */
  to: number
}

/** Epoch milliseconds. */
export interface Span {
  readonly from: number
  readonly to: number
}

export interface Life {
  readonly pid: number
  readonly startedAt: number
  /** Null while it lives. */
  endedAt: number | null
  /** `killed`: without a chance to do anything more. `stopped`: it was asked to. `unexpected`: nobody asked. */
  how: 'running' | 'killed' | 'stopped' | 'unexpected'
}

/** What the rig did and when: the only thing that can excuse a duplicate. */
export class Evidence {
  readonly disturbances: Disturbance[] = []
  readonly lives: Life[] = []
  /** Times in which nothing was wrong and work of every priority waited. */
  readonly fairSpans: Span[] = []
  readonly #journal: Journal<unknown>

  constructor(file: string) {
    this.#journal = new Journal(file)
  }

  /** @returns what ends it; calling it twice does no harm. */
  disturb(subject: Subject, what: string, pid: number | null = null): () => void {
    const one: Disturbance = { subject, what, pid, from: Date.now(), to: Number.POSITIVE_INFINITY }
    this.disturbances.push(one)
    return () => {
      if (one.to !== Number.POSITIVE_INFINITY) return
      one.to = Date.now()
      this.#journal.add({ disturbance: one })
    }
  }

  /** Priorities are judged from here on. @returns what ends it. */
  watchPriorities(): () => void {
    const from = Date.now()
    return () => {
      const span = { from, to: Date.now() }
      this.fairSpans.push(span)
      this.#journal.add({ prioritiesWatched: span })
    }
  }

  begin(pid: number): Life {
    const life: Life = { pid, startedAt: Date.now(), endedAt: null, how: 'running' }
    this.lives.push(life)
    return life
  }

  /** The first report counts: a kill is noted before the signal goes out. */
  end(life: Life, how: Life['how'], at = Date.now()): void {
    if (life.endedAt !== null) return
    life.endedAt = at
    life.how = how
    this.#journal.add({ life })
  }

  close(): void {
    this.#journal.close()
  }
}
