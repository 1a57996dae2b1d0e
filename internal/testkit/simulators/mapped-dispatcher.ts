import { Agent, type Dispatcher } from 'undici'

/**
 * An undici dispatcher that carries every request to `origin` whatever host it names, under the `Host` header that the
 * real one would get. So URL, path, headers and body are tested as they are shipped; only DNS and TLS are left out.
 */
export function mappedDispatcher(origin: string): Dispatcher {
  return new Agent({ connections: 16, keepAliveTimeout: 1_000 }).compose((dispatch) => (options, handler) => {
    const named = new URL(String(options.origin))
    return dispatch({ ...options, origin, headers: withHost(options.headers, named.host) }, handler)
  })
}

/** Names and values in turn, as undici takes them. */
function withHost(headers: Dispatcher.DispatchOptions['headers'], host: string): string[] {
  const flat = ['host', host]
  for (const [name, value] of pairsOf(headers)) {
    if (name.toLowerCase() !== 'host' && typeof value === 'string') flat.push(name, value)
  }
  return flat
}

function* pairsOf(headers: Dispatcher.DispatchOptions['headers']): Generator<readonly [string, unknown]> {
  if (headers === undefined || headers === null) return
  if (Array.isArray(headers)) {
    for (let index = 0; index + 1 < headers.length; index += 2) yield [String(headers[index]), headers[index + 1]]
    return
  }
  yield* Symbol.iterator in headers ? headers : Object.entries(headers)
}
