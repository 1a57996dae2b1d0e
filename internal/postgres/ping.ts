import postgres from 'postgres'

/**
 * Signs in and runs `select 1` over a connection of its own.
 * @throws the driver's error, or the signal's reason when it aborts first.
 */
export async function ping(url: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const sql = postgres(url, { max: 1, connect_timeout: 3, onnotice: () => undefined })
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  try {
    await Promise.race([sql`select 1`, aborted])
  } finally {
    // Not awaited: closing a link that hangs may hang itself.
    sql.end({ timeout: 1 }).catch(() => undefined)
  }
}
