import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { documents } from './documents.ts'

/** Writes the generated files; with `--check` it only says which differ, and exits 1 when any does. */

const root = new URL('../../', import.meta.url)
const command = 'npx tsx cmd/gendocs/main.ts'

async function readIfThere(file: URL): Promise<string | null> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}

async function main(args: readonly string[]): Promise<number> {
  const [option, ...rest] = args
  if (rest.length > 0 || (option !== undefined && option !== '--check')) {
    console.error(`usage: ${command} [--check]`)
    return 2
  }
  let differing = 0
  for (const { path, render } of documents) {
    const file = new URL(path, root)
    const wanted = await render()
    if ((await readIfThere(file)) === wanted) continue
    differing += 1
    if (option === '--check') {
      console.error(`${path} differs from the code it is made from: run ${command}`)
    } else {
      await mkdir(new URL(dirname(path), root), { recursive: true })
      await writeFile(file, wanted)
      console.log(`wrote ${path}`)
    }
  }
  return option === '--check' && differing > 0 ? 1 : 0
}

process.exitCode = await main(process.argv.slice(2))
