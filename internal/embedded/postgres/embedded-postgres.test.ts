import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../../lifecycle/system-clock.ts'
import { quietLogger } from '../../testkit/services/quiet-logger.ts'
import { probeSql, runSql } from '../../testkit/services/sql.ts'
import { until } from '../../testkit/services/until.ts'
import { EmbeddedPostgres } from './embedded-postgres.ts'
import { findPostmaster, stopPostmaster } from './postmaster.ts'
import { isAlive } from './process-table.ts'
import type { SystemUser } from './run-tool.ts'
import { canEnter, isRoot, unprivilegedUser } from './system-user.ts'

const timeoutMs = 60_000
const user = unprivilegedUser()
/** A clone below a closed folder cannot be read by another user, so a program of the clone cannot run as one either. */
const canRunAsOther = isRoot() && (await canEnter(import.meta.dirname, user))

let base = ''
let stateHome = ''
beforeAll(async () => {
  base = await mkdtemp(path.join(os.tmpdir(), 'embedded-'))
  await chmod(base, 0o755)
  stateHome = path.join(base, 'state') // shared, so that the programs are copied once at most
})
afterAll(() => rm(base, { recursive: true, force: true }))

async function makeProject(name: string): Promise<string> {
  const project = path.join(base, name)
  await mkdir(project, { mode: 0o755 })
  return project
}

function makeDatabase(projectRoot: string, dataDir: string | null = null): EmbeddedPostgres {
  const deps = { logger: quietLogger, clock: systemClock, probe: probeSql }
  const database = new EmbeddedPostgres({ projectRoot, stateHome, dataDir }, deps)
  onTestFinished(() => database.stop())
  return database
}

async function serverPid(database: { readonly folder: string | null }): Promise<number> {
  return (await findPostmaster(path.join(database.folder ?? '', 'data')))?.pid ?? 0
}

const readNotes = async (url: string) =>
  (await runSql(url, 'select note from notes order by note')).map((row) => row['note'])

interface Held {
  readonly child: ChildProcess
  readonly url: string
  readonly folder: string
}

/** Another process that holds a database: something to kill. */
async function holdInProcess(projectRoot: string, as: SystemUser | null = null): Promise<Held> {
  const program = fileURLToPath(new URL('../../testkit/services/embedded-process.ts', import.meta.url))
  const credentials = as === null ? {} : { uid: as.uid, gid: as.gid }
  const child = spawn(
    process.execPath,
    [program, projectRoot, as === null ? stateHome : path.join(projectRoot, 'state')],
    {
      cwd: '/',
      stdio: ['ignore', 'pipe', 'ignore'],
      ...credentials,
    },
  )
  const lines = createInterface({ input: child.stdout })
  const line = String(await once(lines, 'line'))
  const told: unknown = JSON.parse(line)
  if (typeof told !== 'object' || told === null || !('url' in told) || !('folder' in told)) throw new Error(line)
  const held = { child, url: String(told.url), folder: String(told.folder) }
  onTestFinished(() => endLeftovers(held)) // a test that fails half-way must not leave a server
  return held
}

async function endLeftovers({ child, folder }: Held): Promise<void> {
  child.kill('SIGKILL')
  const pid = await serverPid({ folder })
  if (pid !== 0) await stopPostmaster(pid, systemClock)
}

describe('the embedded PostgreSQL', () => {
  it(
    'keeps data, password and port over a restart, and refuses a second engine on its folder',
    async () => {
      const project = await makeProject('restart')
      const first = makeDatabase(project)
      await first.start()
      await runSql(first.url, `create table notes (note text); insert into notes values ('kept')`)
      expect(first.folder).toBe(path.join(project, '.data', 'postgres'))
      expect((await stat(path.join(project, '.data/postgres/password'))).mode & 0o777).toBe(0o600)
      await expect(makeDatabase(project).start()).rejects.toThrow(`process ${process.pid}`)
      expect(await readNotes(first.url), 'the refused engine left the server alone').toEqual(['kept'])
      const { url } = first
      const pid = await serverPid(first)
      await Promise.all([first.stop(), first.stop()])
      expect(isAlive(pid)).toBe(false)

      const second = makeDatabase(project)
      await second.start()
      expect(second.url).toBe(url)
      expect(await readNotes(second.url)).toEqual(['kept'])
    },
    timeoutMs,
  )

  it(
    'is durable, checked, UTF-8 and on the loopback address only, with room for 50 connections',
    async () => {
      const database = makeDatabase(await makeProject('settings'))
      await database.start()
      const rows = await runSql(
        database.url,
        `select name, setting from pg_settings where name in ('fsync', 'synchronous_commit', 'data_checksums',
         'server_encoding', 'listen_addresses', 'unix_socket_directories', 'max_connections', 'lc_collate') order by name`,
      )
      expect(Object.fromEntries(rows.map((row) => [row['name'], row['setting']]))).toEqual({
        data_checksums: 'on',
        fsync: 'on',
        listen_addresses: '127.0.0.1',
        max_connections: '50',
        server_encoding: 'UTF8',
        synchronous_commit: 'on',
        unix_socket_directories: '',
      })
      await expect(runSql(database.url.replace(/:[^:@]+@/, ':wrong@'), 'select 1')).rejects.toThrow('password')
    },
    timeoutMs,
  )

  it(
    'serves two folders side by side, and one stop leaves the other alone',
    async () => {
      const [left, right] = [makeDatabase(await makeProject('left')), makeDatabase(await makeProject('right'))]
      await Promise.all([left.start(), right.start()])
      expect(left.url).not.toBe(right.url)
      await left.stop()
      expect(await runSql(right.url, 'select 1 as one')).toEqual([{ one: 1 }])
    },
    timeoutMs,
  )

  it(
    'is adopted after a kill -9 of the engine: same server, same URL, nothing lost',
    async () => {
      const project = await makeProject('adopt')
      const { child, url } = await holdInProcess(project)
      await runSql(url, `create table notes (note text); insert into notes values ('before the kill')`)
      const left = { folder: path.join(project, '.data', 'postgres') }
      const pid = await serverPid(left)
      child.kill('SIGKILL')
      await once(child, 'exit')

      const database = makeDatabase(project)
      await database.start()
      expect(database.url).toBe(url)
      expect(await serverPid(database)).toBe(pid)
      expect(await readNotes(url)).toEqual(['before the kill'])
      await database.stop()
      expect(isAlive(pid)).toBe(false)
    },
    timeoutMs,
  )

  it(
    'goes with an engine that is made to exit at once',
    async () => {
      const { child, folder } = await holdInProcess(await makeProject('forced'))
      const pid = await serverPid({ folder })
      expect(isAlive(pid)).toBe(true)
      child.kill('SIGUSR2') // the program answers with process.exit()
      await once(child, 'exit')
      await until('PostgreSQL is gone', 20_000, () => !isAlive(pid))
    },
    timeoutMs,
  )

  it(
    'comes back at the same URL after a kill -9 of PostgreSQL, with everything that was committed',
    async () => {
      const database = makeDatabase(await makeProject('crash'))
      await database.start()
      await runSql(database.url, `create table notes (note text); insert into notes values ('committed')`)
      const pid = await serverPid(database)
      process.kill(pid, 'SIGKILL')
      await until('PostgreSQL is back', 20_000, async () =>
        readNotes(database.url).then(
          (notes) => notes.length === 1,
          () => false,
        ),
      )
      expect(await serverPid(database)).not.toBe(pid)
      expect(await readNotes(database.url)).toEqual(['committed'])
    },
    timeoutMs,
  )

  it(
    'gets a new password when the file is lost, even when a server was left running',
    async () => {
      const project = await makeProject('password')
      const { child, url, folder } = await holdInProcess(project)
      await runSql(url, `create table notes (note text); insert into notes values ('kept')`)
      child.kill('SIGKILL')
      await once(child, 'exit')
      await rm(path.join(folder, 'password'))
      const database = makeDatabase(project)
      await database.start()
      expect(database.url).not.toBe(url)
      expect(await readNotes(database.url)).toEqual(['kept'])
    },
    timeoutMs,
  )

  it(
    'does not mistake a foreign process for its server when an id was reused',
    async () => {
      const project = await makeProject('reused')
      const first = makeDatabase(project)
      await first.start()
      const pidFile = path.join(first.folder ?? '', 'data', 'postmaster.pid')
      const text = await readFile(pidFile, 'utf8')
      await first.stop()
      await writeFile(pidFile, text.replace(/^\d+/, String(process.pid)))
      const second = makeDatabase(project)
      await second.start()
      expect(await runSql(second.url, 'select 1 as one')).toEqual([{ one: 1 }])
    },
    timeoutMs,
  )
})

describe('the embedded PostgreSQL and the rights of users', () => {
  it.runIf(isRoot())(
    'runs from a clone below a folder that only root may enter',
    async () => {
      const closed = await makeProject('closed')
      await chmod(closed, 0o700)
      const project = path.join(closed, 'clone')
      await mkdir(project)
      const database = makeDatabase(project)
      await database.start()
      expect(database.folder?.startsWith(path.join(stateHome, 'dispatch-engine'))).toBe(true)
      expect(await runSql(database.url, 'select 1 as one')).toEqual([{ one: 1 }])
      const again = makeDatabase(project)
      await expect(again.start(), 'the same clone finds the same folder').rejects.toThrow('in use')
    },
    timeoutMs,
  )

  it.runIf(isRoot())(
    'says which folder is closed when DATA_DIR cannot be reached',
    async () => {
      const closed = await makeProject('shut')
      await chmod(closed, 0o700)
      const database = makeDatabase(base, path.join(closed, 'data'))
      await expect(database.start()).rejects.toThrow(`may not enter ${closed} on the way to ${closed}/data`)
    },
    timeoutMs,
  )

  it.runIf(canRunAsOther)(
    'runs as an ordinary user, and root takes the same folder over later',
    async () => {
      const project = await makeProject('ordinary')
      await chown(project, user?.uid ?? 0, user?.gid ?? 0)
      const { child, url, folder } = await holdInProcess(project, user)
      expect(folder).toBe(path.join(project, '.data', 'postgres'))
      await runSql(url, `create table notes (note text); insert into notes values ('kept')`)
      const pid = await serverPid({ folder })
      child.kill('SIGTERM')
      await once(child, 'exit')
      expect(isAlive(pid)).toBe(false)

      const database = makeDatabase(project)
      await database.start()
      expect(await readNotes(database.url)).toEqual(['kept'])
    },
    timeoutMs,
  )
})
