import type { ConnectionStore } from '../../port/connection-store.ts'
import type { Logger } from '../../port/telemetry.ts'
import { type Sealer, UnsealError } from '../sealing/sealer.ts'
import type { ConnectionState } from './state.ts'

interface ResealDeps {
  readonly store: Pick<ConnectionStore, 'saveConnection'>
  readonly sealer: Sealer | null
  readonly logger: Logger
}

/** Replicas that start together do this together; each pass that somebody else was faster in leaves less to do. */
const passesMax = 10

/**
 * Seals under the current key what is still sealed under the previous one, so that the previous one can be thrown away.
 * What cannot be opened stays as it is.
 */
export async function resealAll(
  { store, sealer, logger }: ResealDeps,
  refresh: () => Promise<ConnectionState>,
): Promise<void> {
  if (sealer === null) return
  let done = 0
  for (let pass = 1; pass <= passesMax; pass++) {
    const { stored } = await refresh()
    let since = stored.revision
    let stale = false
    for (const row of stored.connections) {
      const secrets = resealed(row, sealer)
      if (secrets === null) continue
      const saved = await store.saveConnection(since, { ...row, secrets })
      stale = saved.kind === 'stale'
      if (saved.kind === 'stale') break
      since = saved.revision
      done++
    }
    if (!stale) break
  }
  if (done === 0) return
  logger.info('secrets were sealed anew under the current key', { connections: done })
  await refresh()
}

/** Null when there is nothing to do, or one cannot be opened. */
function resealed(
  { id, secrets }: Pick<ConnectionState['stored']['connections'][number], 'id' | 'secrets'>,
  sealer: Sealer,
): Readonly<Record<string, string>> | null {
  const entries = Object.entries(secrets)
  if (entries.every(([, text]) => sealer.isCurrent(text))) return null
  try {
    const anew = entries.map(([field, text]) => {
      const place = { connection: id, field }
      return [field, sealer.isCurrent(text) ? text : sealer.seal(sealer.open(text, place), place)] as const
    })
    return Object.fromEntries(anew)
  } catch (error) {
    if (error instanceof UnsealError) return null
    throw error
  }
}
