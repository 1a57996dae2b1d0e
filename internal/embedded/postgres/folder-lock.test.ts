import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lockFolder } from './folder-lock.ts'
import { startMark } from './process-table.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'lock-'))
})
afterEach(() => rm(folder, { recursive: true }))

const leave = (holder: unknown) => writeFile(path.join(folder, 'engine.lock.7'), JSON.stringify(holder))
/** Beyond what Linux and macOS hand out. */
const impossiblePid = 2 ** 22 + 1

describe('the lock of a data folder', () => {
  it('keeps a second engine out, and names the folder, the holder and the way out', async () => {
    const lock = await lockFolder(folder)
    await expect(lockFolder(folder)).rejects.toThrow(
      new RegExp(`${folder} is in use by another engine \\(process ${process.pid}\\).*DATA_DIR`),
    )
    await lock.release()
    await (await lockFolder(folder)).release()
  })

  it('is not held by a process that is dead', async () => {
    await leave({ pid: impossiblePid, mark: 'long ago' })
    await (await lockFolder(folder)).release()
  })

  it('is not held by another process that got the id of the dead one', async () => {
    await leave({ pid: process.ppid, mark: 'long ago' })
    await (await lockFolder(folder)).release()
  })

  it('is held by a live process of the same start time', async () => {
    await leave({ pid: process.ppid, mark: startMark(process.ppid) })
    await expect(lockFolder(folder)).rejects.toThrow(`process ${process.ppid}`)
  })

  it('survives a lock file that a crash cut short', async () => {
    await writeFile(path.join(folder, 'engine.lock.1'), '{"pid":12')
    await (await lockFolder(folder)).release()
  })

  it('has one winner when many break a dead lock at once', async () => {
    for (let round = 0; round < 20; round++) {
      await leave({ pid: impossiblePid, mark: 'long ago' })
      const taken = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder)))
      expect(taken.filter((one) => one.status === 'fulfilled')).toHaveLength(1)
      expect(await readdir(folder)).toEqual(['engine.lock.8'])
      await rm(path.join(folder, 'engine.lock.8'))
    }
  })

  it('can be given back twice without touching the lock of the next holder', async () => {
    const lock = await lockFolder(folder)
    await lock.release()
    const next = await lockFolder(folder)
    await lock.release()
    await expect(lockFolder(folder)).rejects.toThrow('in use')
    await next.release()
  })
})
