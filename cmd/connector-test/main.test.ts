import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'

const document = (expected: string) => `schema: connector/v1
id: small
version: 2
channel: chat
display: {name: Small}
request: {url: https://example.com/x, body: {text: '{{ message.content }}'}}
success: {status: [2xx]}
errors:
  - {name: gone, match: {status: [410]}, class: config}
fixtures:
  - {name: sent, response: {status: 204}, expect: {class: ${expected}}}
`

async function run(files: Readonly<Record<string, string>>, ...more: string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'connector-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const paths = Object.keys(files).map((name) => join(folder, name))
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  const main = fileURLToPath(new URL('main.ts', import.meta.url))
  return new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [main, ...paths, ...more], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, stdout: stdout.replaceAll(`${folder}/`, ''), stderr })
    })
  })
}

describe('connector:test', () => {
  it('passes fixtures that hold, and warns of rules that none proves', async () => {
    expect(await run({ 'a.yaml': document('accepted') })).toMatchObject({
      code: 0,
      stdout: 'a.yaml: small@2\n  ok   sent\n  warn error rule 0 (gone) has no fixture\n1 ok, 0 failed, 1 warnings\n',
    })
  })

  it('ends with 1 when a fixture or a document is wrong, and says where', async () => {
    const { code, stdout } = await run({
      'a.yaml': document('permanent'),
      'b.yaml': document('accepted').replace('chat', 'chatt'),
    })
    expect(code).toBe(1)
    expect(stdout).toContain('  FAIL sent\n         class: found "accepted", expected "permanent"\n')
    expect(stdout).toContain(
      'b.yaml:4:1 channel: found "chatt", expected one of sms, email, push, chat, webhook, incident; did you mean "chat"?\n',
    )
  })

  it('ends with 2 when a file cannot be read, or none is given', async () => {
    expect(await run({}, '/nonexistent.yaml')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('/nonexistent.yaml: cannot be read'),
    })
    expect(await run({})).toMatchObject({ code: 2, stderr: expect.stringContaining('usage:') })
  })
})
