import {
  type Context,
  type Emitter,
  Liquid,
  Context as LiquidContext,
  LiquidError,
  Output,
  type Template,
  toValue,
  toValueSync,
} from 'liquidjs'
import { escapeSlack, lookUp } from './filters.ts'
import { asText, isRecord } from './values.ts'

/** Longest single template. */
const parseCharsMax = 16_384
/** Characters and elements that the filters and ranges of one rendering may make. */
const memoryMax = 1_000_000
/** Longest text that one rendering may give. */
export const outputCharsMax = 1_048_576
/** A backstop: what a rendering may take is bounded by the two limits above on any machine that is not overloaded. */
const renderMs = 250

/**
 * What templates may use of Liquid. Left out: everything that reads files, and `capture`, `increment` and `tablerow`,
 * whose results no limit of the library bounds or which write into the scope.
 */
const allowedTags = new Set([
  'assign',
  'if',
  'unless',
  'case',
  'for',
  'break',
  'continue',
  'comment',
  'raw',
  '#',
  'echo',
])

/** What a template sees, by the names of its roots. */
export type Scope = Readonly<Record<string, unknown>>

/** A template failed for this message. `overloaded`: it ran into its time limit, so another try may pass. */
export class TemplateError extends Error {
  readonly overloaded: boolean
  constructor(message: string, overloaded: boolean, options?: ErrorOptions) {
    super(message, options)
    this.overloaded = overloaded
  }
}

const engine = makeEngine()

function makeEngine(): Liquid {
  const liquid = new Liquid({
    ownPropertyOnly: true,
    strictFilters: true,
    strictVariables: false, // fields of a message may be absent
    parseLimit: parseCharsMax,
    memoryLimit: memoryMax,
    renderLimit: renderMs,
    timezoneOffset: 0, // dates come out the same on every machine
    preserveTimezones: true,
    locale: 'en-US',
    templates: {}, // nothing is ever looked up in the file system
  })
  for (const name of Object.keys(liquid.tags)) if (!allowedTags.has(name)) delete liquid.tags[name]
  liquid.registerFilter('lookup', function (value: unknown, table: unknown) {
    return lookUp(value, table)
  })
  liquid.registerFilter('string_values', function (value: unknown) {
    if (!isRecord(value) || Object.keys(value).length === 0) return null
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, charge(this.context, asText(one))]))
  })
  liquid.registerFilter('escape_slack', function (value: unknown) {
    return escapeSlack(charge(this.context, asText(value)))
  })
  liquid.registerFilter('escape_telegram_md', function (value: unknown) {
    return charge(this.context, asText(value)).replace(/[_*[\]()~`>#+\-=|{}.!\\]/g, '\\$&')
  })
  return liquid
}

/** Counts what a filter makes against the limit of its rendering. */
function charge(context: Context, text: string): string {
  context.memoryLimit.use(text.length)
  return text
}

export interface LiquidText {
  /** Names that the template reads from outside, as segments: `["message", "data", "url"]`. */
  readonly reads: readonly (readonly string[])[]
  /** True when the whole template is one expression: then {@link evaluate} gives its value with its type. */
  readonly isExpression: boolean
  /** @throws TemplateError */
  evaluate(scope: Scope): unknown
}

/** @throws TemplateError that says what is wrong with the text. */
export function compileLiquid(text: string): LiquidText {
  const templates = parse(text)
  const [only] = templates
  const expression = templates.length === 1 && only instanceof Output ? only : null
  const run = expression === null ? renderer(templates) : evaluator(expression)
  return {
    reads: readsOf(templates),
    isExpression: expression !== null,
    evaluate: (scope) =>
      guarded(() => run(new LiquidContext(scope, engine.options, { sync: true }, { liquid: engine }))),
  }
}

function parse(text: string): Template[] {
  try {
    return engine.parse(text)
  } catch (error) {
    throw new TemplateError(reasonOf(error), false, { cause: error })
  }
}

function evaluator(expression: Output): (context: Context) => unknown {
  return (context) => {
    const value: unknown = toValue(toValueSync(expression.value.value(context, true)))
    if (typeof value === 'string' && value.length > outputCharsMax) throw tooLong()
    return value
  }
}

function renderer(templates: Template[]): (context: Context) => string {
  return (context) => {
    const emitter = new BoundedEmitter()
    toValueSync(engine.renderer.renderTemplates(templates, context, emitter))
    return emitter.buffer
  }
}

class BoundedEmitter implements Emitter {
  buffer = ''

  write(value: unknown): void {
    this.buffer += asText(toValue(value))
    if (this.buffer.length > outputCharsMax) throw tooLong()
  }
}

export function tooLong(): TemplateError {
  return new TemplateError(`output limit of ${outputCharsMax} characters exceeded`, false)
}

function guarded<T>(run: () => T): T {
  try {
    return run()
  } catch (error) {
    const reason = reasonOf(error)
    throw new TemplateError(reason, reason.includes('template render limit exceeded'), { cause: error })
  }
}

/** The library's reason without the piece of the template that it shows, which may hold a value. */
function reasonOf(error: unknown): string {
  if (error instanceof LiquidError) return reasonOf(error.originalError ?? new Error(firstLine(error.message)))
  return error instanceof Error ? firstLine(error.message) : 'the template failed'
}

function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '').replace(/, line:\d+, col:\d+.*$/, '').slice(0, 300)
}

function readsOf(templates: Template[]): readonly (readonly string[])[] {
  const { globals } = engine.analyzeSync(templates, { partials: false })
  return Object.values(globals).flatMap((variables) =>
    variables.map(({ segments }) => {
      const names = segments.map((part) => (typeof part === 'object' ? null : String(part)))
      const dynamic = names.indexOf(null)
      return (dynamic === -1 ? names : names.slice(0, dynamic)).filter((name) => name !== null)
    }),
  )
}
