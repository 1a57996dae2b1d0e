import { z } from 'zod'
import { messageOf } from '../../internal/domain/errors.ts'
import { Child, type ChildOptions } from './child.ts'

const callMessage = z.object({ call: z.number(), command: z.string(), input: z.unknown() })
const answerMessage = z.object({ call: z.number(), output: z.unknown(), error: z.string().nullable() })

interface Waiting {
  readonly resolve: (output: unknown) => void
  readonly reject: (error: Error) => void
}

/** A process of the benchmark that does what it is told: load generator, sink or peer. */
export class Remote {
  readonly child: Child
  readonly #waiting = new Map<number, Waiting>()
  #calls = 0

  constructor(name: string, program: string, options: ChildOptions = {}) {
    this.child = new Child(name, program, options)
    this.child.process.on('message', (message: unknown) => {
      const { call, output, error } = answerMessage.parse(message)
      const waiting = this.#waiting.get(call)
      this.#waiting.delete(call)
      if (error === null) waiting?.resolve(output)
      else waiting?.reject(this.child.failure(error))
    })
    const giveUp = () => {
      for (const { reject } of this.#waiting.values()) reject(this.child.failure('ended'))
    }
    void this.child.exited.then(giveUp)
  }

  get pid(): number {
    return this.child.pid
  }

  /** @throws Error with what the process wrote, when it could not do it or ended. */
  async call<T>(command: string, input: unknown, output: z.ZodType<T>): Promise<T> {
    const call = ++this.#calls
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    this.#waiting.set(call, { resolve, reject })
    if (!this.child.isRunning) throw this.child.failure('does not run')
    this.child.process.send({ call, command, input })
    return output.parse(await promise)
  }

  stop(): Promise<void> {
    return this.child.stop()
  }
}

type Commands = Readonly<Record<string, (input: unknown) => unknown>>

/** In the process that is told: does each command and answers it. Ends when nobody is left to tell. */
export function obey(commands: Commands, onStop: () => Promise<void> = () => Promise.resolve()): void {
  process.on('message', (message: unknown) => {
    const { call, command, input } = callMessage.parse(message)
    const answer = (output: unknown, error: string | null) => process.send?.({ call, output, error })
    const run = async () => {
      const act = commands[command]
      if (act === undefined) throw new Error(`no command "${command}"`)
      return act(input)
    }
    run().then(
      (output) => answer(output, null),
      (error: unknown) => answer(null, messageOf(error)),
    )
  })
  const stop = () => {
    onStop().then(
      () => process.exit(0),
      () => process.exit(1),
    )
  }
  process.once('SIGTERM', stop)
  process.once('disconnect', stop)
}
