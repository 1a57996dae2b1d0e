import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { canEnter, closedParent, findUser, isRoot, nearestExisting, unprivilegedUser } from './system-user.ts'

const passwd =
  'root:x:0:0::/root:/bin/sh\npostgres:x:101:104:,,,:/var/lib/postgresql:/bin/bash\nnobody:*:-2:-2::/:/bin/false\n'

describe('users of the system', () => {
  it('finds a user by its whole name', () => {
    expect(findUser(passwd, 'postgres')).toEqual({ name: 'postgres', uid: 101, gid: 104 })
    expect(findUser(passwd, 'post')).toBeNull()
  })

  it('passes by a user whose id cannot be used', () => {
    expect(findUser(passwd, 'nobody')).toBeNull()
  })

  it('an ordinary user runs PostgreSQL itself, root hands it over or says that it cannot', () => {
    if (!isRoot()) return expect(unprivilegedUser(passwd)).toBeNull()
    expect(unprivilegedUser(passwd)).toEqual({ name: 'postgres', uid: 101, gid: 104 })
    expect(() => unprivilegedUser('postgres:x:0:0::/:/bin/sh')).toThrow('set DATABASE_URL')
  })
})

describe('reaching a folder', () => {
  it.runIf(isRoot())('names the parent that keeps the other user out', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'reach-'))
    const inner = path.join(folder, 'a', 'b')
    await mkdir(inner, { recursive: true })
    const user = unprivilegedUser()
    expect(await canEnter(inner, null)).toBe(true)
    expect(await canEnter(inner, user)).toBe(false)
    expect(await closedParent(inner, user)).toBe(folder) // mkdtemp makes it 0700
    expect(await nearestExisting(path.join(inner, 'c', 'd'))).toBe(inner)
    await rm(folder, { recursive: true })
  })
})
