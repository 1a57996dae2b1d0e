import { chmod, cp, lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { createLibraryLinks, findBinaries, packageRoot } from './binaries.ts'
import { isRoot, unprivilegedUser } from './system-user.ts'

describe('library links of the PostgreSQL package', () => {
  it('are made when npm ran without install scripts, and left alone when they exist', async () => {
    const root = await mkdtemp(path.join(os.tmpdir(), 'links-'))
    await mkdir(path.join(root, 'native', 'lib', 'deep'), { recursive: true })
    await writeFile(path.join(root, 'native', 'lib', 'libx.so.1.2'), 'library')
    const links = [
      { source: 'native/lib/libx.so.1.2', target: 'native/lib/libx.so.1' },
      { source: 'native/lib/libx.so.1.2', target: 'native/lib/deep/libx.so' },
    ]
    await writeFile(path.join(root, 'native', 'pg-symlinks.json'), JSON.stringify(links))
    await createLibraryLinks(root)
    await createLibraryLinks(root)
    expect(await readlink(path.join(root, 'native/lib/libx.so.1'))).toBe('libx.so.1.2')
    expect(await readFile(path.join(root, 'native/lib/deep/libx.so'), 'utf8')).toBe('library')
    await rm(root, { recursive: true })
  })
})

describe('PostgreSQL programs that lie where PostgreSQL may not go', () => {
  it.runIf(isRoot())(
    'are copied once to the state folder, links included, and run from there',
    async () => {
      const base = await mkdtemp(path.join(os.tmpdir(), 'programs-'))
      await chmod(base, 0o755)
      const closed = path.join(base, 'closed')
      await mkdir(closed, { mode: 0o700 })
      const withoutLinks = async (file: string) => !(await lstat(file)).isSymbolicLink()
      await cp(await packageRoot(), path.join(closed, 'package'), { recursive: true, filter: withoutLinks })
      const state = path.join(base, 'state')
      const find = () => findBinaries(state, unprivilegedUser(), path.join(closed, 'package'))
      const [first, second] = await Promise.all([find(), find()])
      expect(first.postgres.startsWith(state)).toBe(true)
      expect(second).toEqual(first)
      expect(await readdir(state), 'no draft is left').toHaveLength(1)
      await rm(base, { recursive: true })
    },
    30_000,
  )
})
