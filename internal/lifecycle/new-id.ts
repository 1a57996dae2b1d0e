import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'

const idBytes = 16
/** One call for the random bytes of so many ids: asked for one by one, they cost more than the id. */
const idsPerFill = 256

/**
 * Makes UUIDs of version 7, each greater than the one before, so that new rows go to the end of an index. Within one
 * millisecond a counter keeps the order, as RFC 9562, section 6.2, method 1, has it.
 */
export function makeNewId(nowMs: () => number = Date.now): () => string {
  const random = Buffer.alloc(idBytes * idsPerFill)
  let at = random.length
  let msecs = 0
  let seq = 0
  return () => {
    if (at === random.length) {
      randomFillSync(random)
      at = 0
    }
    const own = random.subarray(at, (at += idBytes))
    const now = nowMs()
    if (now > msecs) {
      msecs = now
      seq = own.readUInt32BE(0) >>> 1 // half of the counter's range is left for this millisecond
    } else seq++
    return v7({ random: own, msecs, seq })
  }
}
