import { readdir, readlink } from 'node:fs/promises'
import path from 'node:path'
import { findPostmaster, stopPostmaster } from '../../../internal/embedded/postgres/postmaster.ts'
import { systemClock } from '../../../internal/lifecycle/system-clock.ts'
import { type Ground, makeFolders, type Profile, removeFolder } from './ground.ts'

/** Built-in parts in a data folder of their own. */
export const embeddedProfile: Profile = {
  name: 'embedded',
  async open(): Promise<Ground> {
    const { base, folder } = await makeFolders()
    const dataDir = path.join(base, 'data')
    return {
      settings: { EMBEDDED: '1', DATA_DIR: dataDir },
      folder,
      async close() {
        const left = await processesIn(base)
        const postmaster = await findPostmaster(path.join(dataDir, 'data'))
        if (postmaster !== null) await stopPostmaster(postmaster.pid, systemClock)
        await removeFolder(base)
        if (postmaster !== null || left.length > 0) {
          throw new Error(`processes were left behind in ${dataDir}: ${[postmaster?.pid, ...left].join(', ')}`)
        }
      },
    }
  },
}

/** The PostgreSQL that runs in the data folder of `settings`; null when none does. */
export async function lookUpPostmaster({ DATA_DIR }: Ground['settings']): Promise<number | null> {
  if (DATA_DIR === undefined) return null
  return (await findPostmaster(path.join(DATA_DIR, 'data')))?.pid ?? null
}

/** Ids of processes whose working folder is below `folder`; where the system does not tell, none. */
async function processesIn(folder: string): Promise<number[]> {
  const names = await readdir('/proc').catch(() => [])
  const ids = names.filter((name) => /^\d+$/.test(name)).map(Number)
  const folders = await Promise.all(ids.map((id) => readlink(`/proc/${id}/cwd`).catch(() => '')))
  return ids.filter((_, index) => folders[index]?.startsWith(`${folder}${path.sep}`) ?? false)
}
