import { openSetting, setting } from './field.ts'
import { boolean, duration, listOf, matching, oneOf, origin, port, text } from './parsers.ts'
import { roles } from './roles.ts'
import { brokerTarget, databaseTarget, redisTarget, webhookUrl } from './urls.ts'

const required = 'required, unless EMBEDDED=1'

const connections = {
  embedded: setting({
    env: 'EMBEDDED',
    group: 'Connections',
    parse: boolean,
    default: 'false',
    help: 'Runs without any server: real PostgreSQL from npm, and a broker and a rate limiter inside the process. The same as DATABASE_URL=embedded:, RABBITMQ_URL=memory:, REDIS_URL=memory:.',
  }),
  database: openSetting({
    env: 'DATABASE_URL',
    aliases: ['DATABASE_DSN'],
    group: 'Connections',
    parse: databaseTarget,
    otherwise: required,
    secrecy: 'url',
    example: 'postgres://dispatch:dispatch@localhost:5432/dispatch_engine?sslmode=disable',
    help: 'PostgreSQL 15 to 18, where every notification is kept.',
  }),
  broker: openSetting({
    env: 'RABBITMQ_URL',
    group: 'Connections',
    parse: brokerTarget,
    otherwise: required,
    secrecy: 'url',
    example: 'amqp://dispatch:dispatch@localhost:5672/',
    help: 'RabbitMQ, which carries references to due notifications to the workers.',
  }),
  redis: openSetting({
    env: 'REDIS_URL',
    group: 'Connections',
    parse: redisTarget,
    otherwise: required,
    secrecy: 'url',
    example: 'redis://localhost:6379/0',
    help: 'Redis, which holds the send rate that all replicas share.',
  }),
  webhookUrl: openSetting({
    env: 'WEBHOOK_SITE_URL',
    group: 'Connections',
    parse: webhookUrl,
    otherwise: 'required; with a built-in part, the built-in sink',
    secrecy: 'origin',
    example: 'https://webhook.site/your-id',
    help: 'The default provider: every notification is sent there as a POST of JSON.',
  }),
  dataDir: openSetting({
    env: 'DATA_DIR',
    group: 'Connections',
    parse: text('a path', 4_096),
    otherwise: "a folder in the project if PostgreSQL's user can reach it, else under the system's state folder",
    example: './.data',
    help: 'Where the built-in PostgreSQL keeps its data. Only with DATABASE_URL=embedded: or EMBEDDED=1.',
  }),
}

const running = {
  role: setting({
    env: 'APP_ROLE',
    group: 'Process',
    parse: listOf(oneOf(['all', ...roles])),
    default: 'all',
    help: 'Which parts of the engine this process runs. Built-in parts need all.',
  }),
  nodeEnv: openSetting({
    env: 'NODE_ENV',
    group: 'Process',
    parse: text('a word', 64),
    otherwise: 'not production',
    example: 'production',
    help: 'production turns on warnings about what should not be left open there. Nothing else depends on it.',
  }),
  startupTimeoutMs: setting({
    env: 'STARTUP_TIMEOUT',
    group: 'Process',
    parse: duration('1s', '1h'),
    default: '60s',
    help: 'How long a start waits for PostgreSQL before it gives up with exit code 1. RabbitMQ and Redis may come later.',
  }),
  shutdownTimeoutMs: setting({
    env: 'SHUTDOWN_TIMEOUT',
    group: 'Process',
    parse: duration('1s', '1h'),
    default: '25s',
    help: 'How long a stop may take to finish the attempts in hand. Give the container a few seconds more (stop_grace_period, terminationGracePeriodSeconds).',
  }),
}

const http = {
  port: setting({
    env: 'API_PORT',
    aliases: ['APP_PORT', 'PORT'],
    group: 'HTTP',
    parse: port,
    default: '8080',
    help: 'Port of the API, the probes and the metrics.',
  }),
  host: openSetting({
    env: 'APP_HOST',
    group: 'HTTP',
    parse: matching(/^[A-Za-z0-9._:%-]{1,253}$/, 'an IP address or a host name'),
    otherwise: '0.0.0.0; with a built-in part 127.0.0.1',
    example: '0.0.0.0',
    help: 'Address to listen on.',
  }),
  apiKey: openSetting({
    env: 'MANAGEMENT_API_KEY',
    aliases: ['API_KEY'],
    group: 'HTTP',
    parse: matching(/^[\x21-\x7e]{1,1024}$/, 'printable ASCII characters without spaces, at most 1024'),
    otherwise: 'none: no key is asked for',
    secrecy: 'all',
    example: 'choose-a-long-random-text',
    help: 'When set, every call under /v1 needs it, as Authorization: Bearer or X-API-Key. Probes, metrics and docs stay open.',
  }),
  corsOrigins: openSetting({
    env: 'CORS_ORIGINS',
    group: 'HTTP',
    parse: listOf(origin),
    otherwise: 'none: no other site may call the API from a browser',
    example: 'https://app.example.com',
    help: 'Sites whose pages may call the API from a browser.',
  }),
}

const logs = {
  logLevel: setting({
    env: 'LOG_LEVEL',
    group: 'Logs',
    parse: oneOf(['debug', 'info', 'warn', 'error', 'fatal'], {
      trace: 'debug',
      warning: 'warn',
      dpanic: 'fatal',
      panic: 'fatal',
    }),
    default: 'info',
    help: 'The least important level that is written.',
  }),
  logFormat: setting({
    env: 'LOG_FORMAT',
    group: 'Logs',
    parse: oneOf(['auto', 'json', 'pretty']),
    default: 'auto',
    help: 'auto: one JSON object a line, but readable text on a terminal.',
  }),
}

/** What the process talks to, and how it is talked to. */
export const processFields = { ...connections, ...running, ...http, ...logs }
