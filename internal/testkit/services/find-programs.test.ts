import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { expect, it } from 'vitest'
import { findPrograms } from './find-programs.ts'

it('takes a server from the search path only when all its programs may be run', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'programs-'))
  const server = path.join(folder, 'redis-server')
  await writeFile(server, '#!/bin/sh\n', { mode: 0o644 })
  expect(findPrograms(folder).redis?.server).not.toBe(server)
  await chmod(server, 0o755)
  expect(findPrograms(folder).redis?.server).toBe(server)
  await rm(folder, { recursive: true })
})
