import type { RequestPlan } from './compile.ts'
import { asText, isEmpty, isRecord } from './values.ts'

export interface EncodedBody {
  /** Null without a body. */
  readonly body: string | Uint8Array | null
  readonly contentType: string | null
}

const noBody: EncodedBody = { body: null, contentType: null }

/** The bytes of a body and their type. Only multipart takes its time. */
export function encodeBody(
  value: unknown,
  plan: Pick<RequestPlan, 'encoding' | 'contentType'>,
): EncodedBody | Promise<EncodedBody> {
  if (value === undefined || plan.encoding === 'none') return noBody
  switch (plan.encoding) {
    case 'json':
      return { body: JSON.stringify(value), contentType: 'application/json' }
    case 'form':
      return { body: new URLSearchParams(pairsOf(value)).toString(), contentType: 'application/x-www-form-urlencoded' }
    case 'text':
      return { body: asText(value).toWellFormed(), contentType: plan.contentType ?? 'text/plain; charset=utf-8' }
    case 'multipart':
      return encodeMultipart(value)
  }
}

async function encodeMultipart(value: unknown): Promise<EncodedBody> {
  const form = new FormData()
  for (const [name, text] of pairsOf(value)) form.append(name, text)
  const response = new Response(form)
  return { body: await response.bytes(), contentType: response.headers.get('content-type') }
}

/** Names and texts; a list repeats its name, an object becomes JSON. */
export function pairsOf(value: unknown): [string, string][] {
  if (!isRecord(value)) return []
  return Object.entries(value).flatMap(([name, one]) => {
    const list: readonly unknown[] = Array.isArray(one) ? one : [one]
    return list.filter((item) => !isEmpty(item)).map((item): [string, string] => [name, asText(item).toWellFormed()])
  })
}
