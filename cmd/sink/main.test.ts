import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'

function run(...args: string[]) {
  const child = spawn(process.execPath, [fileURLToPath(new URL('main.ts', import.meta.url)), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  return child
}

describe('sink command', () => {
  it('says where it listens, answers, and ends with 0 on SIGTERM', async () => {
    const child = run('--port', '0')
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    const first = await lines.next()
    const url = /http:\S+/.exec(String(first.value))?.[0] ?? ''
    const body = JSON.stringify({ to: '+49', channel: 'sms', content: 'secret' })
    const response = await fetch(url, { method: 'POST', headers: { 'idempotency-key': 'a:1' }, body })
    expect(response.status).toBe(200)
    expect(String((await lines.next()).value)).toMatch(/ 200 sms a:1 delivery 1$/)
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  it('refuses a wrong port with the reason and exit code 1', async () => {
    const child = run('--port', '70000')
    const [line] = await once(createInterface(child.stderr), 'line')
    expect(line).toContain('--port must be 0 to 65535')
    expect(await once(child, 'exit')).toEqual([1, null])
  })
})
