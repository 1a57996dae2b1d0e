import { z } from 'zod'

/** The words that the rest of the schema is made of. */

/** Lower case words with dashes. */
export const slug = z
  .string()
  .regex(/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/, 'a name of lower case letters, digits and single dashes')
  .max(64)

/** How fields, maps and variables are called: they stand in templates after a dot. */
export const variableName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_]*$/, 'a name of letters, digits and underscores that begins with a letter')
  .max(64)

/** One amount with one unit: `250ms`, `5s`, `10m`, `24h`, `30d`. */
export const duration = z.string().regex(/^\d{1,9}(?:ms|s|m|h|d)$/, 'a duration such as 250ms, 5s, 10m, 24h or 30d')

/** Letters of a header's name as HTTP has them, in lower case. */
export const headerName = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9a-z-]+$/, 'the name of a header in lower case')
  .max(64)

/** Where something is in parsed JSON: `a.b[0].c`, `["@type"]`, `$` for the whole of it. */
export const path = z
  .string()
  .regex(
    /^(?:\$|(?:\$\.?)?(?:[A-Za-z_@][\w@-]*|\[\d{1,4}\]|\["[^"\]]{1,64}"\])(?:\.[A-Za-z_@][\w@-]*|\[\d{1,4}\]|\["[^"\]]{1,64}"\])*)$/,
    'a path such as error.code, errors[0].field, ["odd key"].x or $',
  )
  .max(256)

/** Text that may hold Liquid: `{{ message.content }}`. */
export const template = z.string().max(16_384)

/** Any JSON; texts in it may hold Liquid where the document says so. */
export const json = z.json()

export const scalar = z.union([z.string().max(1_024), z.number(), z.boolean(), z.null()])

/** A status, or a class of them: `429`, `5xx`. */
const status = z.union([z.int().min(200).max(599), z.enum(['2xx', '3xx', '4xx', '5xx'])])
export const statuses = z.array(status).min(1).max(50)

/** Message fields that templates and limits may name. */
export const messageFields = [
  'id',
  'key',
  'to',
  'content',
  'title',
  'html',
  'data',
  'tags',
  'metadata',
  'priority',
  'channel',
  'correlationId',
  'attempt',
  'createdAt',
] as const
