import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { waitingBytesMax } from './bounded-output.ts'
import { type LogLevel, logLevels, PinoLogger, type PinoLoggerOptions } from './logger.ts'

/** A stream that keeps what it got; `stalled` ones take nothing until `resume`. */
function setup(options: Partial<PinoLoggerOptions> = {}, stalled = false) {
  const chunks: string[] = []
  const held: (() => void)[] = []
  let reading = !stalled
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk.toString())
      if (reading) done()
      else held.push(done)
    },
  })
  const logger = new PinoLogger({ level: 'debug', format: 'json', version: '1.2.3', stream, ...options })
  function resume(): void {
    reading = true
    for (const done of held.splice(0)) done()
  }
  const text = () => chunks.join('')
  const lines = (): unknown[] =>
    text()
      .split('\n')
      .filter((line) => line !== '')
      .map((line): unknown => JSON.parse(line))
  return { logger, stream, text, lines, resume }
}

describe('logger', () => {
  it('writes one JSON object per line, with time, level, service and version', () => {
    const { logger, lines } = setup()
    logger.info('sent', { notificationId: 'n1', attempt: 2, late: false, reason: null, absent: undefined })
    expect(lines()).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        service: 'dispatch-engine',
        version: '1.2.3',
        notificationId: 'n1',
        attempt: 2,
        late: false,
        reason: null,
        msg: 'sent',
      },
    ])
  })

  it('keeps a message as it is, percent signs and line feeds included', () => {
    const { logger, lines, text } = setup()
    logger.warn('100%s of %d\nforged line')
    expect(lines()).toMatchObject([{ level: 'warn', msg: '100%s of %d\nforged line' }])
    expect(text().split('\n')).toHaveLength(2)
  })

  it('adds the fields of a child to its lines', () => {
    const { logger, lines } = setup()
    logger.child({ correlationId: 'c1' }).child({ channel: 'sms' }).error('failed', { attempt: 1 })
    expect(lines()).toMatchObject([{ correlationId: 'c1', channel: 'sms', attempt: 1, msg: 'failed' }])
  })

  it.each([
    ['debug', ['debug', 'info', 'warn', 'error', 'fatal']],
    ['info', ['info', 'warn', 'error', 'fatal']],
    ['warn', ['warn', 'error', 'fatal']],
    ['error', ['error', 'fatal']],
    ['fatal', ['fatal']],
    ['dpanic', ['fatal']],
    ['panic', ['fatal']],
  ] satisfies [LogLevel, string[]][])('shows at level %s only %j', (level, shown) => {
    const { logger, lines } = setup({ level })
    logger.debug('m')
    logger.info('m')
    logger.warn('m')
    logger.error('m')
    logger.fatal('m')
    expect(lines()).toMatchObject(shown.map((one) => ({ level: one })))
    expect(logLevels).toContain(level)
  })

  it('lets no secret, recipient or content through, should a caller pass one', () => {
    const { logger, text } = setup()
    const secrets = {
      Authorization: 's3cret',
      'x-api-key': 's3cret',
      apiKey: 's3cret',
      recipient: 's3cret',
      content: 's3cret',
    }
    logger.child(secrets).info('hello', secrets)
    logger.error('cannot reach amqp://user:s3cret@host:5672/', { url: 'postgres://app:s3cret@db/x' })
    expect(text()).not.toContain('s3cret')
    expect(text()).toContain('amqp://***@host:5672/')
  })

  it('cuts long texts to 1 KiB, without splitting a character', () => {
    const { logger, lines } = setup()
    logger.info('é'.repeat(5_000), { detail: `x${'😀'.repeat(5_000)}`, short: 'é'.repeat(512) })
    const [line] = lines()
    expect(line).toMatchObject({ short: 'é'.repeat(512) })
    for (const value of Object.values(line ?? {})) {
      expect(Buffer.byteLength(String(value))).toBeLessThanOrEqual(1_024)
      expect(String(value)).not.toContain('\uFFFD')
    }
  })

  it('does not let a field pass for what the logger itself says', () => {
    const { logger, lines } = setup()
    logger.info('real', { level: 'error', msg: 'fake', version: 7 })
    expect(lines()).toMatchObject([{ level: 'info', msg: 'real', version: '1.2.3', level_: 'error', version_: 7 }])
  })

  it('writes lines for people when asked', () => {
    const { logger, text } = setup({ format: 'pretty' })
    logger.info('ready', { port: 8080 })
    expect(text()).toMatch(/INFO.*ready/)
    expect(text()).toContain('{"port":8080}')
    expect(text()).not.toContain('"level"')
  })

  it('drops lines instead of growing when nobody reads, and tells how many once somebody does', async () => {
    const { logger, lines, resume } = setup({}, true)
    const detail = 'x'.repeat(1_000)
    const written = Math.ceil((2 * waitingBytesMax) / 1_000)
    for (let line = 0; line < written; line++) logger.info('busy', { detail })
    resume()
    await logger.flush()
    logger.info('after')
    await logger.flush()
    const notice = lines().at(-2)
    expect(notice).toMatchObject({ level: 'warn', msg: expect.stringContaining('dropped') })
    expect(lines().at(-1)).toMatchObject({ msg: 'after' })
    const kept = lines().length - 2
    expect(notice).toMatchObject({ dropped: written - kept })
    expect(kept).toBeLessThan(written * 0.6)
  })

  it('ends a flush when everything is out', async () => {
    const { logger, lines, resume } = setup({}, true)
    logger.info('one')
    logger.info('two')
    const flushed = logger.flush()
    resume()
    await flushed
    expect(lines()).toHaveLength(2)
  })

  it('goes on without a log when its reader is gone', async () => {
    const { logger, stream } = setup()
    stream.destroy(new Error('EPIPE'))
    await new Promise((resolve) => setImmediate(resolve))
    expect(() => logger.info('into the void')).not.toThrow()
    await logger.flush()
  })
})
