import { readFile } from 'node:fs/promises'
import { messageOf } from '../../internal/domain/errors.ts'
import { parseConnector } from '../../internal/provider/connector/document.ts'
import { runFixtures } from '../../internal/provider/connector/fixtures.ts'
import { formatProblem } from '../../internal/provider/connector/problems.ts'

/**
 * Runs the fixtures of connector documents; nothing is sent. Exits 1 when a document or a fixture is wrong, 2 when a
 * file cannot be read or none is given.
 */

const usage = 'usage: npm run connector:test -- FILE...'

interface Tally {
  ok: number
  failed: number
  warnings: number
}

async function testFile(file: string, text: string, tally: Tally): Promise<void> {
  const parsed = parseConnector(text, file)
  if (!parsed.ok) {
    for (const problem of parsed.problems) console.log(formatProblem(problem))
    tally.failed += 1
    return
  }
  console.log(`${file}: ${parsed.connector.name}`)
  const { fixtures, warnings } = await runFixtures(parsed.connector)
  for (const { name, failures } of fixtures) {
    if (failures.length === 0) tally.ok += 1
    else tally.failed += 1
    console.log(`  ${failures.length === 0 ? 'ok  ' : 'FAIL'} ${name}`)
    for (const failure of failures) console.log(`         ${failure}`)
  }
  for (const warning of warnings) console.log(`  warn ${warning}`)
  tally.warnings += warnings.length
}

async function main(files: readonly string[]): Promise<number> {
  if (files.length === 0 || files.some((file) => file.startsWith('-'))) {
    console.error(usage)
    return 2
  }
  const tally: Tally = { ok: 0, failed: 0, warnings: 0 }
  let unread = 0
  for (const file of files) {
    try {
      await testFile(file, await readFile(file, 'utf8'), tally)
    } catch (error) {
      console.error(`${file}: cannot be read: ${messageOf(error)}`)
      unread += 1
    }
  }
  console.log(`${tally.ok} ok, ${tally.failed} failed, ${tally.warnings} warnings`)
  if (unread > 0) return 2
  return tally.failed > 0 ? 1 : 0
}

process.exitCode = await main(process.argv.slice(2))
