import { setTimeout as delay } from 'node:timers/promises'
import { TcpProxy } from '../../internal/testkit/tcp-proxy.ts'
import type { Sink } from '../sink/server.ts'
import type { Evidence } from './evidence.ts'

/** The rig answers for targets, over several steps of its own: when each of them is late, their answers are late. */
const stallMs = 150
const lookMs = 100
/** A machine that has too much to do is slow at every step, and stands still at none. */
const slowMs = 400
const askEveryMs = 250

/**
 * Writes down when the rig itself stood still, or was slow on the way on which engines reach their targets: then their
 * answers are late through no fault of the engines.
 * @returns what ends the watch.
 */
export function watchRig(evidence: Evidence, sink: Sink): () => Promise<void> {
  const stopStalls = watchStalls(evidence)
  const over = new AbortController()
  const asking = watchWay(evidence, sink, over.signal)
  return async () => {
    stopStalls()
    over.abort()
    await asking
  }
}

function watchStalls(evidence: Evidence): () => void {
  let lastMs = performance.now()
  const timer = setInterval(() => {
    const nowMs = performance.now()
    const lateMs = nowMs - lastMs - lookMs
    lastMs = nowMs
    if (lateMs >= stallMs) note(evidence, `stood still for ${Math.round(lateMs)} ms`, lateMs + lookMs)
  }, lookMs)
  timer.unref()
  return () => clearInterval(timer)
}

async function watchWay(evidence: Evidence, sink: Sink, over: AbortSignal): Promise<void> {
  const proxy = await TcpProxy.start({ host: '127.0.0.1', port: sink.port })
  while (!over.aborted) {
    const sinceMs = performance.now()
    const answer = fetch(`http://127.0.0.1:${proxy.port}/`, { signal: over })
    await answer.then((got) => got.text()).catch(() => undefined) // at the end the sink may be gone
    const tookMs = performance.now() - sinceMs
    if (tookMs >= slowMs && !over.aborted) note(evidence, `took ${Math.round(tookMs)} ms to a target`, tookMs)
    await delay(askEveryMs, undefined, { signal: over }).catch(() => undefined)
  }
  await proxy.stop()
}

/** Of what was over just now. */
function note(evidence: Evidence, what: string, lastedMs: number): void {
  const end = evidence.disturb('target', `the rig itself ${what}`)
  const one = evidence.disturbances.at(-1)
  if (one !== undefined) Object.assign(one, { from: Date.now() - lastedMs })
  end()
}
