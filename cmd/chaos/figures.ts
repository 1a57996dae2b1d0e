import type { World } from './world.ts'

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
