import { subscribe } from 'node:diagnostics_channel'
import { openSync } from 'node:fs'

/**
 * Runs inside an engine (`node --import`) and leaks with every request, so that a campaign can show that it would find a
 * leak. CHAOS_LEAK: `heap` keeps 512 bytes of each request, `files` a descriptor of each hundredth.
 */
const kind = process.env['CHAOS_LEAK']
const bytesKept = 512
const requestsPerFile = 100
const kept: unknown[] = []
let requests = 0

subscribe('http.server.request.start', () => {
  requests += 1
  if (kind === 'heap') kept.push(Array.from({ length: bytesKept / 8 }, () => requests + 0.5))
  if (kind === 'files' && requests % requestsPerFile === 0) kept.push(openSync('/dev/null', 'r'))
})
