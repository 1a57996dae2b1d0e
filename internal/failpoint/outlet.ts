import { type Outlet, type TryResult, unansweredTry } from '../port/outlet.ts'
import type { Failpoints } from './failpoints.ts'
import { brokenBy, failingSend, type Lost } from './send.ts'

const lost: Lost<TryResult> = {
  unsent: (what) => ({ class: 'transient', ...unansweredTry, ...brokenBy(what) }),
  unknown: (what) => ({ class: 'ambiguous', ...unansweredTry, ...brokenBy(what) }),
}

/** An outlet that whoever opened it closes. */
interface Opened extends Outlet {
  close(): void | Promise<void>
}

/** A connection whose sends break on purpose, at the same points as those of the plain provider: {@link failingSend}. */
export function failingOutlet(outlet: Opened, failpoints: Failpoints): Opened {
  const { id, connector, repeatable, buckets } = outlet
  return {
    id,
    connector,
    repeatable,
    buckets,
    segments: (message) => outlet.segments(message),
    brokenLimit: (texts) => outlet.brokenLimit(texts),
    send: (message, signal) => failingSend(message.content, () => outlet.send(message, signal), lost, failpoints),
    probe: (signal) => outlet.probe(signal),
    close: () => outlet.close(),
  }
}
