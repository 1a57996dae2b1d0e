import fc from 'fast-check'
import { type JsonSchema, type OpenApi, resolve } from './openapi-document.ts'
import { defaultSeed } from './seed.setup.ts'

/** Rules that a schema cannot state, by property name: what to draw instead. */
export type Overrides = Readonly<Record<string, fc.Arbitrary<unknown>>>

/** Text that survives trimming: no blanks at the ends, nothing that cannot be stored. */
export function text(minLength: number, maxLength: number): fc.Arbitrary<string> {
  const edge = fc.constantFrom('', 'a', '😀', 'é', '"', '\\', '{', ',', 'NULL', '%', "'", '$1')
  const unit = fc.oneof(
    { weight: 8, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }) },
    { weight: 2, arbitrary: edge },
  )
  const short = fc.array(unit, { maxLength: 4 }).map((parts) => parts.join('').replaceAll('\0', ''))
  const longest = fc.constantFrom('x', '😀', 'é', '\u{10FFFF}', '\\').map((unitText) => unitText.repeat(maxLength))
  return fc
    .oneof({ weight: 9, arbitrary: short }, { weight: 1, arbitrary: longest })
    .map((value) => Array.from(value.trim()).slice(0, maxLength).join('').trim())
    .filter((value) => Array.from(value).length >= minLength)
}

/** A time from `min` to `max` in one of the ways RFC 3339 allows. */
export function time(min: Date, max: Date): fc.Arbitrary<string> {
  const date = fc.date({ min, max, noInvalidDate: true })
  return fc.tuple(date, fc.integer({ min: -23, max: 23 })).map(([value, hours]) => {
    if (hours === 0) return value.toISOString()
    const local = new Date(value.getTime() + hours * 3_600_000).toISOString().replace('Z', '')
    return `${local}${hours < 0 ? '-' : '+'}${String(Math.abs(hours)).padStart(2, '0')}:00`
  })
}

/** Values that fit the schema and its overrides. */
export function valid(api: OpenApi, given: JsonSchema, overrides: Overrides = {}): fc.Arbitrary<unknown> {
  const schema = resolve(api, given)
  const { type } = schema
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map((one) => valid(api, one, overrides)))
  if (Array.isArray(type))
    return fc.oneof(...type.map((one: string) => valid(api, { ...schema, type: one }, overrides)))
  if (type === 'null') return fc.constant(null)
  if (type === 'boolean') return fc.boolean()
  if (type === 'string') return validText(schema)
  if (type === 'integer') return fc.integer({ min: schema.minimum ?? -(2 ** 31), max: schema.maximum ?? 2 ** 31 - 1 })
  if (type === 'number') return fc.double({ noNaN: true, noDefaultInfinity: true })
  if (type === 'array') {
    const { minItems = 0, maxItems = 5 } = schema
    return fc.array(valid(api, schema.items ?? {}, overrides), {
      minLength: minItems,
      maxLength: Math.min(maxItems, 20),
    })
  }
  if (type === 'object') return validObject(api, schema, overrides)
  return fc.jsonValue()
}

function validText({ format, pattern, minLength = 0, maxLength = 50 }: JsonSchema): fc.Arbitrary<string> {
  if (format === 'uuid') return fc.uuid()
  if (format === 'date-time') return time(new Date('1970-01-02T00:00:00Z'), new Date('2999-12-30T00:00:00Z'))
  return pattern === undefined ? text(minLength, maxLength) : fc.stringMatching(new RegExp(pattern, 'u'))
}

function validObject(api: OpenApi, schema: JsonSchema, overrides: Overrides): fc.Arbitrary<object> {
  const { properties = {}, required = [] } = schema
  const model: Record<string, fc.Arbitrary<unknown>> = {}
  for (const [name, one] of Object.entries(properties)) model[name] = overrides[name] ?? valid(api, one, overrides)
  return fc.record(model, { requiredKeys: [...required] })
}

/** A valid object, spoilt in one place. */
export interface Spoilt {
  readonly what: string
  /** JSON text, which may hold what JSON.stringify would not write. */
  readonly body: string
  /** The field that the answer must name. */
  readonly field: string
}

/** Spoils one field of an object that fits `given`. */
export function spoilt(api: OpenApi, given: JsonSchema, whole: unknown): fc.Arbitrary<Spoilt> {
  const { properties = {}, required = [] } = resolve(api, given)
  const fields: Readonly<Record<string, unknown>> = isRecord(whole) ? whole : {}
  const put = (field: string, what: string, json: string | null): Spoilt => {
    const others = Object.entries(fields).filter(([name, value]) => name !== field && value !== undefined)
    const members = others.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
    if (json !== null) members.push(`${JSON.stringify(field)}:${json}`)
    return { what: `${what} in ${field}`, body: `{${members.join(',')}}`, field }
  }
  const spoils = Object.entries(properties).flatMap(([name, schema]) => [
    ...(required.includes(name) ? [put(name, 'nothing', null), put(name, 'null', 'null')] : []),
    ...wrongValues(resolve(api, schema)).map(([what, json]) => put(name, what, json)),
  ])
  return fc.constantFrom(...spoils)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const deep = `${'['.repeat(40)}${']'.repeat(40)}`

/** JSON that no schema of this kind takes. Null and empty text are not among them: they mean absent. */
function wrongValues(schema: JsonSchema): readonly (readonly [what: string, json: string])[] {
  const types = [schema.type].flat()
  const isNumber = types.includes('integer') || types.includes('number')
  const wrong: (readonly [string, string])[] = [
    ['NUL', '"a\\u0000b"'],
    ['a lone surrogate', '"a\\ud800b"'],
    ['forty levels', deep],
    ['a number without end', '1e999'],
    ['a number beyond all integers', '1e300'],
    ['a fraction', '0.5'],
  ]
  if (!types.includes('string')) wrong.push(['text', '"x"'])
  if (!types.includes('boolean')) wrong.push(['true', 'true'])
  if (!types.includes('array')) wrong.push(['a list', '[{}]'])
  if (!types.includes('object')) wrong.push(['an object', '{"a":1}'])
  if (schema.maxLength !== undefined) wrong.push(['too much', JSON.stringify('x'.repeat(schema.maxLength + 1))])
  if (schema.maxItems !== undefined) wrong.push(['too many', JSON.stringify(Array(schema.maxItems + 1).fill('x'))])
  if (isNumber && schema.maximum !== undefined) wrong.push(['more than the most', String(schema.maximum + 1)])
  if (schema.enum !== undefined || schema.format !== undefined) wrong.push(['another word', '"nonsense"'])
  if (schema.pattern !== undefined) wrong.push(['another form', '"§ §"'])
  return wrong
}

/** Of the environment variable SEED, else the same in every run. Tests name it, so that a failure can be run again. */
export function fuzzSeed(): number {
  const given = Number(process.env['SEED'] ?? Number.NaN)
  return Number.isInteger(given) ? given : defaultSeed
}
