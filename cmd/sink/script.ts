/**
 * How the sink is told to answer. A script is a list of tokens, separated by blanks or commas; the n-th delivery
 * under one `Idempotency-Key` gets the n-th answer, the last one repeats.
 *
 *   503            that status (200 to 599)            429:7         the same with `Retry-After: 7`
 *   slow:2000      200 after so many milliseconds      hang          never an answer
 *   reset          connection reset, body was read     drop          closed before the body is read
 *   drip:100:50    200, then 100 bytes, 50 ms apart    huge:1000000  200 with a body of that size
 *   redirect       302                                 messageid-header  200, the id in `X-Request-ID` only
 */
export type Step =
  | { readonly kind: 'status'; readonly status: number; readonly retryAfterSeconds: number | null }
  | { readonly kind: 'slow'; readonly delayMs: number }
  | { readonly kind: 'drip'; readonly bytes: number; readonly everyMs: number }
  | { readonly kind: 'huge'; readonly bytes: number }
  | { readonly kind: 'hang' | 'reset' | 'drop' | 'redirect' | 'messageid-header' }

/** At least one step. */
export type Script = readonly [Step, ...Step[]]

export type Parsed = { readonly ok: true; readonly script: Script } | { readonly ok: false; readonly problem: string }

export const succeed: Step = { kind: 'status', status: 200, retryAfterSeconds: null }
export const stepsMax = 100
export const delayMsMax = 600_000
export const bytesMax = 1_073_741_824
const dripDefault = { bytes: 1_000, everyMs: 100 }
const hugeBytesDefault = 10_485_760

export function parseScript(text: string): Parsed {
  const steps: Step[] = []
  for (const token of text.split(/[\s,]+/).filter((one) => one !== '')) {
    const step = parseStep(token)
    if (step === null) return { ok: false, problem: `the sink does not know "${token}"` }
    steps.push(step)
  }
  const [first, ...rest] = steps
  if (first === undefined) return { ok: false, problem: 'the script is empty' }
  if (steps.length > stepsMax) return { ok: false, problem: `the script has more than ${stepsMax} steps` }
  return { ok: true, script: [first, ...rest] }
}

/** The script in the first `[sink …]` of a text, null when there is none. */
export function scriptInContent(content: string): Parsed | null {
  const found = /\[sink\s([^\]]*)\]/.exec(content)
  return found === null ? null : parseScript(found[1] ?? '')
}

/** @param delivery 0 for the first delivery under a key. */
export function stepFor(script: Script, delivery: number): Step {
  return script[Math.min(delivery, script.length - 1)] ?? script[0]
}

function parseStep(token: string): Step | null {
  const [word = '', ...numbers] = token.split(':')
  const figures = numbers.map(parseWhole)
  if (figures.includes(null)) return null
  const [a, b] = figures
  if (/^\d{3}$/.test(word)) return figures.length > 1 ? null : statusStep(Number(word), a ?? null)
  switch (word) {
    case 'slow':
      return a != null && figures.length === 1 && a <= delayMsMax ? { kind: 'slow', delayMs: a } : null
    case 'drip': {
      const step = { kind: word, bytes: a ?? dripDefault.bytes, everyMs: b ?? dripDefault.everyMs } as const
      return figures.length <= 2 && step.bytes <= bytesMax && step.everyMs <= delayMsMax ? step : null
    }
    case 'huge':
      return figures.length <= 1 && (a ?? 0) <= bytesMax ? { kind: word, bytes: a ?? hugeBytesDefault } : null
    case 'hang':
    case 'reset':
    case 'drop':
    case 'redirect':
    case 'messageid-header':
      return figures.length === 0 ? { kind: word } : null
    default:
      return null
  }
}

function statusStep(status: number, retryAfterSeconds: number | null): Step | null {
  return status >= 200 && status <= 599 ? { kind: 'status', status, retryAfterSeconds } : null
}

function parseWhole(text: string): number | null {
  return /^\d{1,10}$/.test(text) ? Number(text) : null
}

/**
 * The script that a path stands for: `/` success, `/status/503`, `/status/429?retry-after=7`, `/slow/2000`, `/hang`,
 * `/drip?bytes=100&every=50`, `/reset`, `/drop`, `/huge?bytes=1000000`, `/redirect`, `/messageid-header`,
 * `/script/503,503,200`.
 * @returns null when the path means nothing.
 */
export function scriptOfPath(path: string, query: URLSearchParams): Parsed | null {
  const [verb = '', argument, ...rest] = path.split('/').slice(1)
  if (rest.length > 0) return null
  const withQuery = (word: string, ...names: string[]) => parseScript([word, ...valuesOf(query, names)].join(':'))
  if (argument !== undefined) {
    if (verb === 'status') return withQuery(argument, 'retry-after')
    if (verb === 'slow') return parseScript(`slow:${argument}`)
    return verb === 'script' ? parseScript(argument.replaceAll('%20', ' ')) : null
  }
  switch (verb) {
    case '':
      return { ok: true, script: [succeed] }
    case 'drip':
      return parseScript(`drip:${query.get('bytes') ?? dripDefault.bytes}:${query.get('every') ?? dripDefault.everyMs}`)
    case 'huge':
      return withQuery('huge', 'bytes')
    case 'hang':
    case 'reset':
    case 'drop':
    case 'redirect':
    case 'messageid-header':
      return parseScript(verb)
    default:
      return null
  }
}

function valuesOf(query: URLSearchParams, names: readonly string[]): string[] {
  return names.map((name) => query.get(name)).filter((value) => value !== null)
}
