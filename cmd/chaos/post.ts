import { Agent, request } from 'node:http'

export interface PostAnswer {
  /** Null when there was no answer. */
  readonly status: number | null
  readonly body: string
  readonly retryAfterSeconds: number | null
  /** Why there was no answer: the system's error code, or `timeout`. */
  readonly problem: string | null
}

/** Answers of the API to POST requests; connections are kept, as a busy client keeps them. */
export class Poster {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 256 })
  readonly #timeoutMs: number

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /** Never rejects. */
  post(url: string, body: unknown): Promise<PostAnswer> {
    const text = JSON.stringify(body)
    return new Promise((resolve) => {
      const failed = (problem: string) => resolve({ status: null, body: '', retryAfterSeconds: null, problem })
      const call = request(url, {
        method: 'POST',
        agent: this.#agent,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
      })
      // The whole time, not the time between two bytes.
      const timer = setTimeout(() => call.destroy(new Error('timeout')), this.#timeoutMs)
      call.on('close', () => clearTimeout(timer))
      // Told apart: a kept connection may be ended by the server at the moment when it is used again.
      const kept = () => (call.reusedSocket ? ' on a kept connection' : '')
      call.on('error', (error) => failed(('code' in error ? String(error.code) : error.message) + kept()))
      call.on('response', (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', (error) => failed(`${'code' in error ? String(error.code) : error.message} in an answer`))
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? null,
            body: Buffer.concat(chunks).toString('utf8'),
            retryAfterSeconds: Number(response.headers['retry-after'] ?? Number.NaN) || null,
            problem: null,
          }),
        )
      })
      call.end(text)
    })
  }

  /** Ends kept connections; the next request opens new ones. */
  close(): void {
    this.#agent.destroy()
  }
}
