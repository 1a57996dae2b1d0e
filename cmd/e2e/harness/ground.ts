import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { Settings } from './engine.ts'

/** What engines of one profile stand on: everything outside their processes. */
export interface Ground {
  /** Of this profile, for every engine on this ground. */
  readonly settings: Settings
  /** An empty folder, for processes to run in. */
  readonly folder: string
  /** Everything that engines left behind: throws when that is more than they may. */
  close(): Promise<void>
}

export type ProfileName = 'embedded' | 'services'

export interface Profile {
  readonly name: ProfileName
  open(): Promise<Ground>
}

/** A temporary folder that PostgreSQL's unprivileged user may enter, with an empty one in it to run in. */
export async function makeFolders(): Promise<{ readonly base: string; readonly folder: string }> {
  const base = await mkdtemp(path.join(os.tmpdir(), 'dispatch-e2e-'))
  await chmod(base, 0o755)
  const folder = path.join(base, 'run')
  await mkdir(folder)
  return { base, folder }
}

export function removeFolder(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true, maxRetries: 5 })
}
