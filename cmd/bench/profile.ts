import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import type { Ground } from './ground.ts'
import { tableOf } from './report.ts'

const frameSchema = z.object({ functionName: z.string(), url: z.string(), lineNumber: z.number() })
const profileSchema = z.object({
  nodes: z.array(z.object({ id: z.number(), callFrame: frameSchema, children: z.array(z.number()).default([]) })),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
})
type Profile = z.infer<typeof profileSchema>
type Frame = z.infer<typeof frameSchema>

const rowsShown = 40
const statementsShown = 25
const statementCharacters = 110

/** Writes beside each CPU profile of the folder where the time went. */
export function summariseProfiles(folder: string): void {
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'))) {
    const profile = profileSchema.parse(JSON.parse(readFileSync(path.join(folder, file), 'utf8')))
    writeFileSync(path.join(folder, `${file}.md`), summaryOf(profile))
  }
}

/**
 * Three views of the busy time: by the package or folder that caused it (what Node itself did counts for its caller), by
 * function alone, and by function with everything it called.
 */
function summaryOf({ nodes, samples, timeDeltas }: Profile): string {
  const stacks = stacksOf(nodes)
  const byOwner = new Map<string, number>()
  const bySelf = new Map<string, number>()
  const byTotal = new Map<string, number>()
  let busyUs = 0
  for (const [index, id] of samples.entries()) {
    const stack = stacks.get(id) ?? []
    const us = timeDeltas[index] ?? 0
    const [top] = stack
    if (top === undefined || top.functionName === '(idle)') continue
    busyUs += us
    add(byOwner, ownerOf(stack), us)
    add(bySelf, nameOf(top), us)
    for (const name of new Set(stack.filter(({ url }) => url !== '').map(nameOf))) add(byTotal, name, us)
  }
  const view = (title: string, from: ReadonlyMap<string, number>) => {
    const rows = [...from].sort(([, a], [, b]) => b - a).slice(0, rowsShown)
    const cells = rows.map(([name, us]) => [`${((us / busyUs) * 100).toFixed(1)} %`, (us / 1_000).toFixed(0), name])
    return `## ${title}\n\n${tableOf([['of busy time', 'ms', 'where'], ...cells])}\n`
  }
  return [
    view('By what caused it', byOwner),
    view('By function alone', bySelf),
    view('By function with all it called', byTotal),
  ].join('\n')
}

/** For each node the frames from itself down to the first. */
function stacksOf(nodes: Profile['nodes']): ReadonlyMap<number, readonly Frame[]> {
  const stacks = new Map<number, readonly Frame[]>()
  for (const { id, callFrame, children } of nodes) {
    // Parents come before their children in these files.
    const stack = stacks.get(id) ?? [callFrame]
    stacks.set(id, stack)
    for (const child of children) {
      const frame = nodes[child - 1]?.id === child ? nodes[child - 1] : nodes.find((node) => node.id === child)
      if (frame !== undefined) stacks.set(child, [frame.callFrame, ...stack])
    }
  }
  return stacks
}

function add(to: Map<string, number>, name: string, us: number): void {
  to.set(name, (to.get(name) ?? 0) + us)
}

function ownerOf(stack: readonly Frame[]): string {
  for (const { url } of stack) {
    const found = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? /\/((?:internal|cmd)\/[^/]+)\//.exec(url)
    if (found?.[1] !== undefined) return found[1]
  }
  return stack[0]?.url === '' ? stack[0].functionName : 'node alone'
}

function nameOf({ functionName, url, lineNumber }: Frame): string {
  const file = url.replace(/^file:.*\/(node_modules|dist)\//, '')
  return `${functionName || '(anonymous)'} ${file === '' ? '' : `${file}:${lineNumber + 1}`}`.trim()
}

/** What statements cost since the ground was cleaned. */
export async function writeStatements({ sql }: Ground, file: string): Promise<void> {
  const found = await sql`
    SELECT calls, round(total_exec_time::numeric) AS ms, round(mean_exec_time::numeric, 3) AS mean, rows,
           shared_blks_hit + shared_blks_read AS blocks, wal_bytes, regexp_replace(query, '\\s+', ' ', 'g') AS query
    FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT ${statementsShown}`
  const names = ['calls', 'ms', 'mean', 'rows', 'blocks', 'wal_bytes'] as const
  const rows = found.map((row) => [
    ...names.map((name) => String(row[name])),
    String(row['query']).slice(0, statementCharacters).replaceAll('|', '\\|'),
  ])
  writeFileSync(file, `${tableOf([[...names, 'statement'], ...rows])}\n`)
}
