import { listOf, nearest, type PathPart, type Report, show } from './problems.ts'
import type { ConnectorDocument } from './schema.ts'

/** Fixtures must say something, and name what is there. */
export function checkFixtures({ fixtures, errors, config }: ConnectorDocument, report: Report): void {
  const names = new Set<string>()
  const rules = errors.flatMap(({ name }) => name ?? [])
  const fields = Object.keys(config)
  for (const [index, { name, response, expect, config: given = {} }] of fixtures.entries()) {
    const at = ['fixtures', index]
    if (names.has(name)) report([...at, 'name'], show(name), 'a name that no other fixture has')
    names.add(name)
    for (const field of Object.keys(given)) {
      if (!fields.includes(field)) report([...at, 'config', field], show(field), listOf(fields), nearest(field, fields))
    }
    if (response !== undefined) checkResponse(response, [...at, 'response'], report)
    const says = Object.values(expect).some((word) => word !== undefined)
    if (!says) report([...at, 'expect'], 'nothing', 'what must come out: class, request, limit …')
    if (response === undefined && expect.class !== undefined) {
      report([...at, 'expect', 'class'], show(expect.class), 'a response beside it, since it comes from one')
    }
    if (typeof expect.rule === 'number' && expect.rule >= errors.length) {
      report([...at, 'expect', 'rule'], show(expect.rule), `an index below ${errors.length}`)
    }
    if (typeof expect.rule === 'string' && !rules.includes(expect.rule)) {
      report([...at, 'expect', 'rule'], show(expect.rule), `the name of an error rule`, nearest(expect.rule, rules))
    }
  }
}

type Response = NonNullable<ConnectorDocument['fixtures'][number]['response']>

function checkResponse(
  { status, failure, written, body, text, headers }: Response,
  at: readonly PathPart[],
  report: Report,
): void {
  if ((status === undefined) === (failure === undefined)) report(at, 'both or none', 'either status or failure')
  if (failure !== undefined && (body !== undefined || text !== undefined || headers !== undefined)) {
    report(at, 'an answer beside a failure', 'failure and written alone')
  }
  if (written !== undefined && failure === undefined) report([...at, 'written'], show(written), 'a failure beside it')
  if (body !== undefined && text !== undefined) report(at, 'body and text', 'either body (JSON) or text')
}
