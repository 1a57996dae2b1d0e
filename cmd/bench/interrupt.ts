/**
 * The first Ctrl-C or SIGTERM ends the run in good order: services, servers and folders go. Further ones change nothing,
 * since one Ctrl-C often comes twice: from the terminal, and from the program that started this one.
 */
export function untilInterrupted(say: (line: string) => void): AbortSignal {
  const over = new AbortController()
  for (const [name, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.on(name, () => {
      if (over.signal.aborted) return
      say(`${name}: stops the servers and removes their folders`)
      over.abort(new Interrupted(name, exitCode))
    })
  }
  return over.signal
}

export class Interrupted extends Error {
  readonly exitCode: number

  constructor(signal: string, exitCode: number) {
    super(`ended by ${signal}`)
    this.exitCode = exitCode
  }
}

/** As `work`, but rejects with the signal's reason as soon as that says so; what becomes of the work is then ignored. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
