import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { byChannel } from '../domain/notification.ts'
import { crossChecks } from './cross-checks.ts'
import { describeConfig } from './describe.ts'
import { namesOf } from './field.ts'
import { allFields } from './fields.ts'
import { ConfigError, loadConfig } from './load.ts'
import type { Environment } from './reader.ts'

const servers = {
  DATABASE_URL: 'postgres://u:p@db/app',
  RABBITMQ_URL: 'amqp://u:p@mq/',
  REDIS_URL: 'redis://cache',
  WEBHOOK_SITE_URL: 'https://hooks.example/T0/B0',
}

function problemsOf(environment: Environment): readonly string[] {
  try {
    loadConfig(environment)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}

describe('loadConfig', () => {
  it('fills in every default beside four addresses', () => {
    const limit = { perSecond: 100, burst: 10 }
    const release = { perSecond: 100, burst: 100 }
    expect(loadConfig(servers)).toEqual({
      database: {
        kind: 'external',
        url: 'postgres://u:p@db/app',
        schema: 'dispatch',
        migrationsTable: 'schema_migrations',
        poolMax: 10,
        migrateOnStart: true,
      },
      broker: { kind: 'rabbitmq', url: 'amqp://u:p@mq/' },
      redis: { kind: 'redis', url: 'redis://cache' },
      webhookUrl: 'https://hooks.example/T0/B0',
      roles: ['api', 'worker', 'scheduler'],
      http: { host: '0.0.0.0', port: 8080, apiKey: null, corsOrigins: [] },
      log: { level: 'info', format: 'auto' },
      limits: {
        send: byChannel(() => limit),
        release: byChannel(() => release),
      },
      worker: { concurrencyPerChannel: 16, shortcut: true, jobTimeoutMs: 10_000 },
      scan: { intervalMs: 5_000, limit: 100 },
      retry: { baseDelayMs: 1_000, maxDelayMs: 60_000, maxJitterMs: 250, maxRetries: 5 },
      idempotencyTtlSeconds: 86_400,
      notificationTtlMs: 86_400_000,
      leaseMs: 60_000,
      brokerConsumerTimeoutMs: 1_800_000,
      shutdownTimeoutMs: 25_000,
      startupTimeoutMs: 60_000,
      connections: { encryptionKey: null, encryptionKeyPrevious: null, connectorsDir: null, connectionsFile: null },
      egress: {
        allowNets: [],
        denyNets: [],
        ports: [80, 443, 8_080, 8_443].map((port) => ({ first: port, last: port })),
        plainHttp: false,
        proxyUrl: null,
      },
      failpoints: null,
      production: false,
      warnings: [],
    })
  })

  it('needs nothing but EMBEDDED=1 to be tried, and then listens on this machine only', () => {
    const config = loadConfig({ EMBEDDED: '1' })
    expect(config.database).toMatchObject({ kind: 'embedded', dataDir: null })
    expect([config.broker, config.redis]).toEqual([{ kind: 'memory' }, { kind: 'memory' }])
    expect([config.webhookUrl, config.http.host, config.warnings]).toEqual([null, '127.0.0.1', []])
  })

  it('lets EMBEDDED=1 be opened and pointed somewhere on purpose', () => {
    const config = loadConfig({
      EMBEDDED: 'yes',
      APP_HOST: '0.0.0.0',
      WEBHOOK_SITE_URL: 'http://127.0.0.1:9000/x',
      DATA_DIR: '/srv/data',
      DATABASE_URL: 'embedded:',
    })
    expect([config.http.host, config.webhookUrl]).toEqual(['0.0.0.0', 'http://127.0.0.1:9000/x'])
    expect(config.database).toMatchObject({ dataDir: '/srv/data' })
  })

  it('takes built-in parts one by one', () => {
    const config = loadConfig({ ...servers, RABBITMQ_URL: 'memory:', REDIS_URL: 'memory:', WEBHOOK_SITE_URL: '' })
    expect([config.database.kind, config.broker.kind, config.redis.kind]).toEqual(['external', 'memory', 'memory'])
    expect([config.http.host, config.webhookUrl]).toEqual(['127.0.0.1', null])
    expect(config.warnings).toEqual([expect.stringContaining('WEBHOOK_SITE_URL is not set')])
  })

  it('counts an empty or blank value as not set', () => {
    expect(loadConfig({ ...servers, API_PORT: '', LOG_LEVEL: '  ', PORT: '9000' }).http.port).toBe(9000)
  })

  it('reads every setting under each of its names', () => {
    const config = loadConfig({
      DATABASE_DSN: 'host=db user=u dbname=app sslmode=disable',
      RABBITMQ_URL: servers.RABBITMQ_URL,
      REDIS_URL: servers.REDIS_URL,
      WEBHOOK_SITE_URL: servers.WEBHOOK_SITE_URL,
      APP_ROLE: 'Worker, api',
      APP_PORT: '9001',
      CONCURRENCY: '3',
      MAX_PROCESSING_RETRIES: '7',
      PROCESSING_LOCK_TTL_SECONDS: '90',
      API_KEY: 'k',
      LOG_LEVEL: 'DPANIC',
      CORS_ORIGINS: 'https://a.example, https://b.example',
      MIGRATE_ON_START: 'off',
      NODE_ENV: 'production',
    })
    expect(config).toMatchObject({
      database: { url: 'postgres://u@db/app?sslmode=disable', migrateOnStart: false },
      roles: ['api', 'worker'],
      http: { port: 9001, apiKey: 'k', corsOrigins: ['https://a.example', 'https://b.example'] },
      worker: { concurrencyPerChannel: 3 },
      retry: { maxRetries: 7 },
      leaseMs: 90_000,
      log: { level: 'fatal' },
      production: true,
      warnings: [],
    })
  })

  it('derives the limits of each channel', () => {
    const { limits } = loadConfig({
      ...servers,
      RATE_LIMIT_PER_SEC: '5',
      RATE_LIMIT_EMAIL_PER_SEC: '250',
      RATE_LIMIT_PUSH_PER_SEC: '0',
      RATE_LIMIT_CHAT_PER_SEC: '1',
    })
    expect(limits).toEqual({
      send: {
        ...byChannel(() => ({ perSecond: 5, burst: 1 })),
        EMAIL: { perSecond: 250, burst: 25 },
        PUSH: { perSecond: 0, burst: 1 },
        CHAT: { perSecond: 1, burst: 1 },
      },
      release: {
        ...byChannel(() => ({ perSecond: 5, burst: 5 })),
        EMAIL: { perSecond: 250, burst: 250 },
        PUSH: { perSecond: 0, burst: 1 },
        CHAT: { perSecond: 1, burst: 1 },
      },
    })
    expect(loadConfig({ ...servers, RATE_LIMIT_BURST: '3' }).limits.send.SMS).toEqual({ perSecond: 100, burst: 3 })
  })

  it('makes one scan of two: the smaller interval, the larger limit, of those given', () => {
    const scan = (more: Environment) => loadConfig({ ...servers, ...more }).scan
    expect(scan({ RETRY_SCAN_INTERVAL: '2s', SCHEDULER_SCAN_INTERVAL: '1s' }).intervalMs).toBe(1_000)
    expect(scan({ RETRY_SCAN_INTERVAL: '30s' }).intervalMs).toBe(30_000)
    expect(scan({ RETRY_SCAN_LIMIT: '20', SCHEDULER_SCAN_LIMIT: '30' }).limit).toBe(30)
    expect(scan({ SCHEDULER_SCAN_LIMIT: '20' }).limit).toBe(20)
  })

  it('lengthens the lease with the job timeout', () => {
    expect(loadConfig({ ...servers, JOB_TIMEOUT: '50500', SHUTDOWN_TIMEOUT: '2m' }).leaseMs).toBe(71_000)
  })
})

describe('a start with wrong settings', () => {
  it('reports every problem at once, one a line, with name, what was found and what is expected', () => {
    const environment = { ...servers, PORT: 'http', JOB_TIMEOUT: '5x', LOG_LEVEL: 'loud', REDIS_URL: 'redis:cache' }
    expect(() => loadConfig(environment)).toThrow(ConfigError)
    expect(problemsOf(environment)).toEqual([
      'REDIS_URL: found ***, expected a redis:// or rediss:// URL, or memory: for the built-in limiter',
      'PORT: found http, expected a port from 0 to 65535 (0 = any free one)',
      expect.stringMatching(/^LOG_LEVEL: found loud, expected one of debug, info/),
      'JOB_TIMEOUT: found 5x, expected a duration from 100ms to 15m (write it as 5s, 250ms, 10m or 24h; a bare number is milliseconds)',
    ])
    expect(new ConfigError(['one', 'two']).message).toBe('The settings have 2 problems:\n  - one\n  - two')
  })

  it('names what is missing, and the way to do without', () => {
    const problems = problemsOf({})
    expect(problems.map((problem) => problem.split(':')[0])).toEqual([
      'DATABASE_URL (or DATABASE_DSN)',
      'RABBITMQ_URL',
      'REDIS_URL',
      'WEBHOOK_SITE_URL',
    ])
    for (const problem of problems) expect(problem).toContain('EMBEDDED=1')
  })

  it('refuses two names of one setting with two values, naming both', () => {
    expect(problemsOf({ ...servers, API_PORT: '8080', PORT: '9090' })).toEqual([
      'API_PORT and PORT are the same setting but have two values (8080 and 9090): keep one',
    ])
    expect(problemsOf({ ...servers, API_PORT: '8080', PORT: 'x' })).toHaveLength(1)
    expect(problemsOf({ ...servers, MANAGEMENT_API_KEY: 'a', API_KEY: 'b' })).toEqual([
      'MANAGEMENT_API_KEY and API_KEY are the same setting but have two values: keep one',
    ])
  })

  it('accepts two names that mean the same', () => {
    const same = { ...servers, DATABASE_DSN: 'host=db user=u password=p dbname=app', API_PORT: '8080', PORT: '08080' }
    expect(problemsOf(same)).toEqual([])
  })

  it('refuses a server together with EMBEDDED=1, naming both', () => {
    expect(problemsOf({ EMBEDDED: '1', DATABASE_DSN: 'postgres://u:p@db/app', REDIS_URL: 'memory:' })).toEqual([
      'EMBEDDED=1 and DATABASE_DSN=postgres://u:***@db/app contradict each other: leave one of them out',
    ])
  })

  it('reports a wrong value of every setting the engine reads, under each of its names', () => {
    for (const field of allFields.filter((one) => !one.composeOnly && one.env !== 'EMBEDDED')) {
      for (const name of namesOf(field)) {
        const problems = problemsOf({ EMBEDDED: '1', [name]: '\u0007 wrong' })
        expect([name, problems.length]).toEqual([name, 1])
        expect(problems[0]).toContain(`${name}: found `)
      }
    }
    expect(problemsOf({ EMBEDDED: 'perhaps' })).toEqual([expect.stringContaining('EMBEDDED: found perhaps')])
  })

  it('leaves the variables of Docker Compose alone', () => {
    expect(problemsOf({ ...servers, POSTGRES_USER: '\u0007', RABBITMQ_DEFAULT_PASS: '\u0007' })).toEqual([])
  })
})

describe('settings that must fit each other', () => {
  it.each([
    [{ LEASE_SECONDS: '29' }, ['LEASE_SECONDS=29', 'JOB_TIMEOUT=10s (default)', 'at least 30 seconds']],
    [
      { JOB_TIMEOUT: '15m', SHUTDOWN_TIMEOUT: '20m' },
      ['JOB_TIMEOUT=15m', 'BROKER_CONSUMER_TIMEOUT=30m (default)', '15m'],
    ],
    [{ JOB_TIMEOUT: '16s' }, ['SHUTDOWN_TIMEOUT=25s (default)', 'JOB_TIMEOUT=16s', 'at least 26s']],
    [{ RETRY_BASE_DELAY_MS: '60001' }, ['RETRY_BASE_DELAY_MS=60001', 'RETRY_MAX_DELAY_MS=60000 (default)']],
    [{ REDIS_URL: 'memory:', APP_ROLE: 'worker' }, ['APP_ROLE=worker', 'REDIS_URL=memory:', 'APP_ROLE=all']],
  ])('refuses %j', (more, words) => {
    const problems = problemsOf({ ...servers, ...more })
    expect(problems).toHaveLength(1)
    for (const word of words) expect(problems[0]).toContain(word)
  })

  it.each([
    { LEASE_SECONDS: '30' },
    { JOB_TIMEOUT: '14m', SHUTDOWN_TIMEOUT: '20m' },
    { JOB_TIMEOUT: '15s' },
    { RETRY_BASE_DELAY_MS: '60000' },
    { REDIS_URL: 'memory:', APP_ROLE: 'scheduler,api,worker' },
    { APP_ROLE: 'worker' },
  ])('accepts %j', (more) => {
    expect(problemsOf({ ...servers, ...more })).toEqual([])
  })

  it('says what chose the built-in parts', () => {
    expect(problemsOf({ EMBEDDED: '1', APP_ROLE: 'api' })).toEqual(['APP_ROLE=api: EMBEDDED=1 needs APP_ROLE=all'])
  })

  it('does not report a broken setting a second time', () => {
    expect(problemsOf({ ...servers, JOB_TIMEOUT: 'x', SHUTDOWN_TIMEOUT: '1s' })).toHaveLength(1)
    expect(crossChecks).toHaveLength(7)
  })

  it('warns of what is allowed but rarely meant', () => {
    const warningsOf = (environment: Environment) => loadConfig(environment).warnings.join('\n')
    expect(warningsOf({ ...servers, NODE_ENV: 'production' })).toContain('MANAGEMENT_API_KEY is not set')
    expect(warningsOf({ ...servers, NODE_ENV: 'production', API_KEY: 'k' })).toBe('')
    expect(warningsOf({ EMBEDDED: '1', NODE_ENV: 'production' })).toContain('built-in sink')
    expect(warningsOf({ ...servers, DATA_DIR: '/srv' })).toContain('DATA_DIR=/srv is not used')
    expect(warningsOf({ ...servers, RATE_LIMIT_PER_SECOND: '5' })).toContain('did you mean RATE_LIMIT_PER_SEC?')
    expect(warningsOf({ ...servers, DATABASE_URL: 'postgres://db/app?schema=x' })).toBe(
      'DATABASE_URL: parameter schema is not used',
    )
  })
})

/** A password with everything that tears URLs apart; its recognisable pieces must never be seen again. */
const piece = 'zq7kx9qv'
const secrets = fc
  .array(fc.constantFrom(piece, '@', '/', '#', '?', '%', ':', ' ', '=', "'", '\\', '&', '12', ',', '[', '\n'), {
    maxLength: 12,
  })
  .map((parts) => `${piece}${parts.join('')}${piece}`)

function everythingSaid(environment: Environment): string {
  try {
    const config = loadConfig(environment)
    return JSON.stringify([config.warnings, describeConfig(config)])
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
}

describe('secrets', () => {
  const spots: readonly ((secret: string) => Environment)[] = [
    (secret) => ({ DATABASE_URL: `postgres://user:${secret}@db/app` }),
    (secret) => ({ DATABASE_URL: `postgres://user:12${secret}@db/app` }),
    (secret) => ({ DATABASE_URL: `mysql://user:${secret}@db/app` }),
    (secret) => ({ DATABASE_DSN: `host=db user=u password=${secret} dbname=app` }),
    (secret) => ({ DATABASE_DSN: `host=db user=u password='${secret}' dbname=app` }),
    (secret) => ({ DATABASE_URL: `postgres://db/app?user=u&password=${encodeURIComponent(secret)}` }),
    (secret) => ({ DATABASE_URL: 'postgres://u:p@a/b', DATABASE_DSN: `postgres://user:${secret}@db/app` }),
    (secret) => ({ RABBITMQ_URL: `amqp://user:${secret}@mq` }),
    (secret) => ({ RABBITMQ_URL: `amqp://user:1/${secret}@mq` }),
    (secret) => ({ REDIS_URL: `redis://:${secret}@cache:6379/0` }),
    (secret) => ({ REDIS_URL: `rediss://${secret.replaceAll(':', '')}@cache` }),
    (secret) => ({ REDIS_URL: secret }),
    (secret) => ({ WEBHOOK_SITE_URL: `https://hooks.example/${secret}` }),
    (secret) => ({ WEBHOOK_SITE_URL: `hooks.example/${secret}` }),
    (secret) => ({ WEBHOOK_SITE_URL: `https://user:${secret}@hooks.example/` }),
    (secret) => ({ WEBHOOK_SITE_URL: `https://user:${encodeURIComponent(secret)}@hooks.example/` }),
    (secret) => ({ MANAGEMENT_API_KEY: secret }),
    (secret) => ({ MANAGEMENT_API_KEY: 'other', API_KEY: secret }),
    (secret) => ({ API_PORT: `amqp://user:${secret}@mq` }),
    (secret) => ({ LOG_LEVL: secret }),
    (secret) => ({ EMBEDDED: '1', REDIS_URL: `redis://:${secret}@cache` }),
  ]

  it.each(spots.map((spot) => ({ spot, example: JSON.stringify(spot('…')) })))(
    'are never said: $example',
    ({ spot }) => {
      fc.assert(
        fc.property(secrets, (secret) => {
          for (const environment of [{ ...servers, ...spot(secret) }, spot(secret)]) {
            expect(everythingSaid(environment).toLowerCase()).not.toContain(piece)
          }
        }),
      )
    },
  )
})

describe('describeConfig', () => {
  it('says where everything points', () => {
    expect(describeConfig(loadConfig({ ...servers, API_KEY: 'k', RATE_LIMIT_SMS_PER_SEC: '0' }))).toMatchObject({
      roles: 'api,worker,scheduler',
      listen: '0.0.0.0:8080',
      database: 'postgres://u:***@db/app (schema dispatch)',
      broker: 'amqp://u:***@mq/',
      redis: 'redis://cache',
      provider: 'https://hooks.example/…',
      access: 'by key',
      rates:
        'SMS unlimited, EMAIL 100/s burst 10, PUSH 100/s burst 10, WEBHOOK 100/s burst 10, CHAT 100/s burst 10, INCIDENT 100/s burst 10',
      attempt: '10s, lease 1m',
    })
    expect(describeConfig(loadConfig({ EMBEDDED: '1' }))).toMatchObject({
      database: 'embedded (schema dispatch)',
      broker: 'memory',
      redis: 'memory',
      provider: 'built-in sink',
      access: 'open',
    })
  })
})
