import { readFileSync } from 'node:fs'
import { z } from 'zod'

/** The part of JSON Schema that the document uses. */
export interface JsonSchema {
  readonly $ref?: string | undefined
  readonly type?: string | readonly string[] | undefined
  readonly enum?: readonly unknown[] | undefined
  readonly format?: string | undefined
  readonly pattern?: string | undefined
  readonly minLength?: number | undefined
  readonly maxLength?: number | undefined
  readonly minimum?: number | undefined
  readonly maximum?: number | undefined
  readonly items?: JsonSchema | undefined
  readonly minItems?: number | undefined
  readonly maxItems?: number | undefined
  readonly properties?: Readonly<Record<string, JsonSchema>> | undefined
  readonly required?: readonly string[] | undefined
  readonly additionalProperties?: JsonSchema | boolean | undefined
  readonly allOf?: readonly JsonSchema[] | undefined
  readonly anyOf?: readonly JsonSchema[] | undefined
}

/** Strict: a keyword that appears in the document and is not known here would be checked by nobody. */
const jsonSchema: z.ZodType<JsonSchema> = z.lazy(() =>
  z.strictObject({
    $ref: z.string().optional(),
    type: z.union([z.string(), z.array(z.string())]).optional(),
    enum: z.array(z.unknown()).optional(),
    format: z.enum(['date-time', 'uuid']).optional(),
    pattern: z.string().optional(),
    minLength: z.int().optional(),
    maxLength: z.int().optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    items: jsonSchema.optional(),
    minItems: z.int().optional(),
    maxItems: z.int().optional(),
    properties: z.record(z.string(), jsonSchema).optional(),
    required: z.array(z.string()).optional(),
    additionalProperties: z.union([z.boolean(), jsonSchema]).optional(),
    allOf: z.array(jsonSchema).optional(),
    anyOf: z.array(jsonSchema).optional(),
    description: z.string().optional(),
    example: z.unknown().optional(),
    default: z.unknown().optional(),
  }),
)

const content = z.record(z.string(), z.object({ schema: jsonSchema }))
const operation = z.object({
  operationId: z.string(),
  parameters: z
    .array(
      z.object({
        name: z.string(),
        in: z.enum(['path', 'query', 'header']),
        required: z.boolean(),
        schema: jsonSchema,
      }),
    )
    .default([]),
  requestBody: z.object({ required: z.boolean().default(false), content }).optional(),
  responses: z.record(z.string(), z.object({ content: content.default({}) })),
})
const document = z.object({
  paths: z.record(z.string(), z.partialRecord(z.enum(['get', 'post', 'put', 'delete']), operation)),
  components: z.object({ schemas: z.record(z.string(), jsonSchema) }),
})

export interface Operation extends z.infer<typeof operation> {
  readonly path: string
  /** In upper case. */
  readonly method: string
}

export interface OpenApi {
  readonly operations: readonly Operation[]
  readonly schemas: Readonly<Record<string, JsonSchema>>
}

/** `docs/openapi.json`, as clients read it. */
export function readOpenApi(): OpenApi {
  const text = readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8')
  const { paths, components } = document.parse(JSON.parse(text))
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, found]) => ({ ...found, path, method: method.toUpperCase() })),
  )
  return { operations, schemas: components.schemas }
}

/** The schema that a reference names, or the schema itself. */
export function resolve({ schemas }: Pick<OpenApi, 'schemas'>, schema: JsonSchema): JsonSchema {
  if (schema.$ref === undefined) return schema
  const found = schemas[schema.$ref.replace('#/components/schemas/', '')]
  if (found === undefined) throw new Error(`nothing is at ${schema.$ref}`)
  return resolve({ schemas }, found)
}

/** Where `value` breaks `given`, one line each; empty when it is valid. */
export function violations(api: Pick<OpenApi, 'schemas'>, given: JsonSchema, value: unknown, at = '$'): string[] {
  const schema = resolve(api, given)
  const found = (schema.allOf ?? []).flatMap((one) => violations(api, one, value, at))
  const { anyOf } = schema
  if (anyOf !== undefined && !anyOf.some((one) => violations(api, one, value, at).length === 0)) {
    found.push(`${at}: fits none of ${anyOf.length}`)
  }
  if (schema.enum !== undefined && !schema.enum.includes(value)) found.push(`${at}: ${String(value)} is not listed`)
  if (schema.type !== undefined && ![schema.type].flat().some((type) => isOfType(type, value))) {
    return [...found, `${at}: expected ${String(schema.type)}, found ${JSON.stringify(value)}`]
  }
  if (typeof value === 'string') return [...found, ...violationsOfText(schema, value, at)]
  if (typeof value === 'number') return [...found, ...outside(value, schema.minimum, schema.maximum, at)]
  if (Array.isArray(value)) {
    const items = value.flatMap((one: unknown, index) => violations(api, schema.items ?? {}, one, `${at}[${index}]`))
    return [...found, ...items, ...outside(value.length, schema.minItems, schema.maxItems, at)]
  }
  if (typeof value === 'object' && value !== null) found.push(...violationsOfObject(api, schema, value, at))
  return found
}

function violationsOfObject(api: Pick<OpenApi, 'schemas'>, schema: JsonSchema, value: object, at: string): string[] {
  const { properties = {}, required = [], additionalProperties = {} } = schema
  const missing = required.filter((name) => !Object.hasOwn(value, name)).map((name) => `${at}.${name} is missing`)
  const others = typeof additionalProperties === 'boolean' ? {} : additionalProperties
  const wrong = Object.entries(value).flatMap(([name, one]) =>
    violations(api, properties[name] ?? others, one, `${at}.${name}`),
  )
  return [...missing, ...wrong]
}

function violationsOfText(schema: JsonSchema, value: string, at: string): string[] {
  const { format, pattern, minLength, maxLength } = schema
  const found = outside(Array.from(value).length, minLength, maxLength, at)
  if (format === 'uuid' && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value)) found.push(`${at}: no UUID`)
  if (pattern !== undefined && !new RegExp(pattern, 'u').test(value)) found.push(`${at}: not like ${pattern}`)
  if (format === 'date-time' && Number.isNaN(Date.parse(value))) found.push(`${at}: no time`)
  return found
}

function outside(size: number, min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, at = '$'): string[] {
  return size < min || size > max ? [`${at}: expected ${min} to ${max}, found ${size}`] : []
}

function isOfType(type: string, value: unknown): boolean {
  if (type === 'null') return value === null
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value)
  return type === 'integer' ? Number.isInteger(value) : typeof value === type
}
