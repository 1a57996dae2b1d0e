import { statfs } from 'node:fs/promises'
import { orAborted } from '../interrupt.ts'
import { type Bench, type Figures, Skipped } from '../scenarios/scenario.ts'
import { BenchStore } from './bench-store.ts'
import { addRows, type RowKind } from './rows.ts'

/** One condition to be measured. */
export interface Condition {
  readonly name: string
  readonly rows: Readonly<Record<RowKind, number>>
}

/** Measured: a finished row takes 1.1 kB with payload, attempt and indexes. */
const bytesPerRow = 1_100
/** The log (max_wal_size), and room to breathe. */
const reserveBytes = 6e9

/**
 * Makes a store for each condition, uses them, and drops them whatever happens.
 * @throws Skipped when the disk has no room for the rows.
 */
export async function withStores(
  bench: Bench,
  conditions: readonly Condition[],
  use: (stores: readonly BenchStore[]) => Promise<Readonly<Record<string, Figures>>>,
): Promise<Readonly<Record<string, Figures>>> {
  const { ground, signal } = bench
  await ground.clean()
  await ensureRoom(bench, conditions)
  const stores: BenchStore[] = []
  try {
    for (const [index, condition] of conditions.entries()) {
      const store = await BenchStore.open(condition.name, ground.urls.postgres, `bench_store_${index}`)
      stores.push(store)
      await orAborted(fill(bench, store, condition), signal)
    }
    await ground.sql`CHECKPOINT`
    return await orAborted(use(stores), signal)
  } finally {
    for (const store of stores) await store.close()
    if (!signal.aborted) await ground.clean() // the disk is for others; it would wait for what is broken off
  }
}

async function fill(bench: Bench, store: BenchStore, { rows }: Condition): Promise<void> {
  // What waits is newer than what is finished, as its ids say.
  for (const kind of ['finished', 'waiting'] as const) {
    await addRows(store.admin, { kind, count: rows[kind], ...bench })
  }
  await store.vacuum()
}

async function ensureRoom({ ground }: Bench, conditions: readonly Condition[]): Promise<void> {
  const [row] = await ground.sql`SHOW data_directory`
  const disk = await statfs(String(row?.['data_directory']))
  const freeBytes = disk.bavail * disk.bsize
  const rows = conditions.reduce((sum, condition) => sum + condition.rows.finished + condition.rows.waiting, 0)
  const neededBytes = rows * bytesPerRow + reserveBytes
  if (freeBytes >= neededBytes) return
  const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(1)
  throw new Skipped(
    `${rows.toLocaleString('en')} rows and the log need ${gigabytes(neededBytes)} GB of disk, ${gigabytes(freeBytes)} GB are free`,
  )
}
