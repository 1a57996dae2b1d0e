import postgres from 'postgres'

/** One statement on a connection of its own, for tests that look at a server from outside. Rejects within 5 s. */
export async function runSql(url: string, statement: string): Promise<readonly Record<string, unknown>[]> {
  const sql = postgres(url, { max: 1, connect_timeout: 3, prepare: false, onnotice: () => undefined })
  try {
    return await sql.unsafe(`SET statement_timeout = '5s'`).then(() => sql.unsafe<Record<string, unknown>[]>(statement))
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** The probe that the embedded PostgreSQL wants. */
export async function probeSql(url: string): Promise<void> {
  await runSql(url, 'select 1')
}
