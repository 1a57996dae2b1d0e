import type { Failpoints } from './failpoints.ts'

/** What a broken send looks like to whoever began it: nothing went out, or nobody knows. */
export interface Lost<T> {
  readonly unsent: (what: string) => T
  readonly unknown: (what: string) => T
}

/** Time for the request to get onto the wire; nothing tells a decorator when it is. */
const bytesWrittenMs = 5

/**
 * A send that breaks on purpose, over the plain provider or over a connection. `send.before`: `drop` never sends.
 * `send.afterBytes`: the request was handed over and its answer is awaited. There and at `send.afterAnswer`, `drop`
 * loses the answer.
 */
export async function failingSend<T>(
  content: string,
  begin: () => Promise<T>,
  { unsent, unknown }: Lost<T>,
  failpoints: Failpoints,
): Promise<T> {
  const contents = [content]
  if ((await failpoints.pass('send.before', contents)) === 'drop') return unsent('nothing was sent')
  const sending = begin()
  const meanwhile = failpoints.draw('send.afterBytes', contents)
  if (meanwhile !== null) {
    sending.catch(() => undefined) // a throw here leaves it unawaited
    await Promise.race([sending.catch(() => undefined), failpoints.sleep(bytesWrittenMs)])
    if ((await failpoints.carryOut('send.afterBytes', meanwhile)) === 'drop') return unknown('answer lost')
  }
  const result = await sending
  return (await failpoints.pass('send.afterAnswer', contents)) === 'drop' ? unknown('answer lost') : result
}

export function brokenBy(what: string): { readonly code: string; readonly message: string } {
  return { code: 'failpoint', message: `a failpoint broke this attempt: ${what}` }
}
