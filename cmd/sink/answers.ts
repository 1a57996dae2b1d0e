import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Step } from './script.ts'

const json = { 'content-type': 'application/json' }
const chunkBytes = 65_536

/**
 * Answers one delivery as `step` says.
 * @param end called with the status immediately before it is sent, or with null when there will be none.
 */
export function answer(step: Step, response: ServerResponse, end: (status: number | null) => void): void {
  response.on('close', () => end(null)) // the client left first; without effect when it was answered
  switch (step.kind) {
    case 'status':
      return answerStatus(step, response, end)
    case 'slow':
      return after(step.delayMs, response, () => accept(response, end))
    case 'hang':
      return end(null)
    case 'drop':
      end(null)
      response.socket?.destroy()
      return
    case 'reset':
      end(null)
      response.socket?.resetAndDestroy()
      return
    case 'drip':
      end(200)
      response.writeHead(200, { 'content-type': 'text/plain' })
      response.flushHeaders()
      return drip(response, step.bytes, step.everyMs)
    case 'huge':
      end(200)
      response.writeHead(200, { 'content-type': 'text/plain', 'content-length': step.bytes })
      pipeline(Readable.from(filler(step.bytes)), response).catch(() => undefined) // the client may cut it
      return
    case 'redirect':
      end(302)
      response.writeHead(302, { location: '/' }).end()
      return
    case 'messageid-header':
      end(200)
      response.writeHead(200, { ...json, 'x-request-id': randomUUID() }).end('{}')
  }
}

/** 200 with a new message id. */
function accept(response: ServerResponse, end: (status: number) => void): void {
  end(200)
  response.writeHead(200, json).end(JSON.stringify({ messageId: randomUUID() }))
}

function answerStatus(
  { status, retryAfterSeconds }: Extract<Step, { kind: 'status' }>,
  response: ServerResponse,
  end: (status: number) => void,
): void {
  if (retryAfterSeconds !== null) response.setHeader('retry-after', String(retryAfterSeconds))
  if (status === 200) return accept(response, end)
  end(status)
  response.writeHead(status, json)
  if (status === 204 || status === 304) response.end()
  else if (status < 300) response.end(JSON.stringify({ messageId: randomUUID() }))
  else response.end(JSON.stringify({ error: `the sink was told to answer ${status}` }))
}

export function answerJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, json).end(JSON.stringify(body))
}

function after(delayMs: number, response: ServerResponse, act: () => void): void {
  const timer = setTimeout(act, delayMs)
  response.on('close', () => clearTimeout(timer))
}

function drip(response: ServerResponse, bytes: number, everyMs: number): void {
  if (bytes <= 0) {
    response.end()
    return
  }
  let left = bytes
  const timer = setInterval(() => {
    response.write('.')
    left -= 1
    if (left > 0) return
    clearInterval(timer)
    response.end()
  }, everyMs)
  response.on('close', () => clearInterval(timer))
}

function* filler(bytes: number): Generator<Buffer> {
  const chunk = Buffer.alloc(chunkBytes, 'x')
  for (let left = bytes; left > 0; left -= chunkBytes) yield left < chunkBytes ? chunk.subarray(0, left) : chunk
}
