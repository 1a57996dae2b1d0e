import { parseArgs } from 'node:util'
import { messageOf } from '../../internal/domain/errors.ts'
import { type Received, startSink } from './server.ts'

const usage = `sink: a notification provider that answers as told (GET / lists how).

  --port N     default 8090; 0 = a free one
  --host HOST  default 127.0.0.1
  --log FILE   append each delivery as a line of JSON
  --quiet      no line per delivery on standard output`

function settingsFrom(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: 'string', default: '8090' },
      host: { type: 'string', default: '127.0.0.1' },
      log: { type: 'string' },
      quiet: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const port = /^\d{1,5}$/.test(values.port) ? Number(values.port) : Number.NaN
  if (!(port <= 65_535)) throw new Error(`--port must be 0 to 65535, got "${values.port}"`)
  return { ...values, port }
}

/** No recipient and no content: this output ends up in terminals and logs. */
function lineOf({ at, status, channel, key, delivery }: Received): string {
  const time = new Date(at).toISOString().slice(11, 23)
  return `${time} ${status ?? '---'} ${channel ?? '-'} ${key ?? '-'} delivery ${delivery}`
}

async function main(): Promise<void> {
  const settings = settingsFrom(process.argv.slice(2))
  if (settings.help) return console.log(usage)
  const sink = await startSink({
    host: settings.host,
    port: settings.port,
    ...(settings.log === undefined ? {} : { logFile: settings.log }),
    ...(settings.quiet ? {} : { onAnswered: (received) => console.log(lineOf(received)) }),
  })
  console.log(`sink listening on ${sink.url}`)
  let stopping = false
  const stop = () => {
    if (stopping) process.exit(1) // a second signal ends at once
    stopping = true
    sink.close().then(() => process.exit(0), fail)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

function fail(error: unknown): void {
  console.error(`sink: ${messageOf(error)}\n\n${usage}`)
  process.exit(1)
}

main().catch(fail)
