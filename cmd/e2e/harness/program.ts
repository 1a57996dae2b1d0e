import { existsSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { projectRoot } from '../../project-root.ts'

/** The compiled engine: what a person runs, and what runs under the Node of these tests without any loader. */
export const program = path.join(projectRoot, 'dist', 'cmd', 'dispatch', 'main.js')

const testOnly = /\.(test|suite)\.ts$|^internal\/testkit\/|^cmd\/(e2e|chaos|test|bench)\//

/** @throws Error when there is no compiled engine, or one of older sources. */
export function requireBuild(): void {
  if (!existsSync(program)) throw new Error(`${program} is missing: run "npm run build" first`)
  const builtAtMs = statSync(program).mtimeMs
  const changed = ['cmd', 'internal', 'migrations'].flatMap(filesBelow).find((file) => {
    return !testOnly.test(file) && statSync(path.join(projectRoot, file)).mtimeMs > builtAtMs
  })
  if (changed !== undefined) throw new Error(`dist/ is older than ${changed}: run "npm run build" first`)
}

function filesBelow(folder: string): string[] {
  return readdirSync(path.join(projectRoot, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(ts|sql)$/.test(file))
    .map((file) => `${folder}/${file.replaceAll(path.sep, '/')}`)
}
