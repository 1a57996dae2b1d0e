import { messageOf } from '../../internal/domain/errors.ts'
import { readEnvironment } from '../dispatch/environment.ts'

/**
 * Asks a running engine whether work moves: `GET /v1/queue/heartbeat`. Exit code 0 for pass and warn, 1 for fail or no
 * answer. Address: ENGINE_URL, else the port of the settings on this machine.
 */
const timeoutMs = 5_000

interface Heartbeat {
  readonly status: { readonly status: string; readonly detail?: string }
  readonly workers: readonly {
    readonly id: string
    readonly role: string
    readonly lastSeenAt: string
    readonly inFlight: number
  }[]
  readonly backlog: number | null
  readonly oldestDueAgeSeconds: number | null
}

function isHeartbeat(value: unknown): value is Heartbeat {
  return typeof value === 'object' && value !== null && 'workers' in value && Array.isArray(value.workers)
}

async function ask(): Promise<number> {
  const environment = readEnvironment()
  // As in the settings of the engine, an empty value counts as not set.
  const first = (...names: readonly string[]) => names.map((name) => environment[name]?.trim()).find(Boolean)
  const base = first('ENGINE_URL') ?? `http://127.0.0.1:${first('API_PORT', 'APP_PORT', 'PORT') ?? '8080'}`
  const key = first('MANAGEMENT_API_KEY', 'API_KEY') ?? ''
  const response = await fetch(new URL('/v1/queue/heartbeat', base), {
    headers: key === '' ? {} : { authorization: `Bearer ${key}` },
    signal: AbortSignal.timeout(timeoutMs),
  })
  const body: unknown = await response.json()
  if (!isHeartbeat(body)) {
    console.error(`${base} answered ${response.status}: ${JSON.stringify(body)}`)
    return 1
  }
  const { status, workers, backlog, oldestDueAgeSeconds } = body
  console.log(`${status.status}${status.detail === undefined ? '' : `: ${status.detail}`}`)
  console.log(`backlog ${backlog ?? 'unknown'}, oldest due ${oldestDueAgeSeconds ?? 'unknown'} s`)
  for (const { id, role, lastSeenAt, inFlight } of workers) {
    console.log(`worker ${id}  role ${role}  in flight ${inFlight}  last seen ${lastSeenAt}`)
  }
  return status.status === 'fail' ? 1 : 0
}

process.exit(
  await ask().catch((error: unknown) => {
    const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : ''
    console.error(`no answer from the engine (${messageOf(error)}${cause})`)
    return 1
  }),
)
