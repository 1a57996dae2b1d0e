import { eventually } from '../../internal/testkit/eventually.ts'
import type { World } from './world.ts'

/** Connections kept open for the next request come and go. */
const filesSlack = 16
const filesShare = 1.1
const settleWithinMs = 12_000
const filesAtFirst = new Map<number, number>()

/** Invariant 12: where no process ended and nothing was disturbed, the counters say what the database says. */
export async function checkFigures({ evidence, replicas, history, wrong }: World): Promise<void> {
  if (evidence.lives.length > replicas.length || evidence.disturbances.some(({ subject }) => subject !== 'target'))
    return
  const figures = await Promise.all(replicas.map(({ engine }) => engine.client.figures()))
  const rows = await history.rows()
  const counted = (status: string) => rows.filter((row) => row.status === status).length
  const pairs = [
    ['notifications_accepted_total', rows.length],
    ['notifications_sent_total', counted('SENT')],
    ['notifications_failed_total', counted('FAILED')],
  ] as const
  for (const [name, expected] of pairs) {
    const found = figures.reduce((sum, page) => sum + page.sum(name), 0)
    if (found !== expected) wrong.push({ invariant: 12, text: `${name} is ${found}, the database has ${expected}` })
  }
}

/** Invariant 11, as far as open files go: a process that lived on has no more of them than at its first rest. */
export async function checkOpenFiles({ replicas, wrong }: World): Promise<void> {
  for (const replica of replicas) {
    const { pid } = replica
    const first = filesAtFirst.get(pid)
    if (first === undefined) {
      filesAtFirst.set(pid, replica.sample().files)
      continue
    }
    const max = first * filesShare + filesSlack
    await eventually(() => replica.sample().files <= max, { withinMs: settleWithinMs, everyMs: 250 }).catch(() => {
      wrong.push({ invariant: 11, text: `process ${pid} has ${replica.sample().files} open files, at first ${first}` })
    })
  }
}
