import { failpoints } from './failpoints.ts'
import { type Field, openSetting, setting } from './field.ts'
import { connectionFields } from './fields-connections.ts'
import { channelRates, dispatchFields } from './fields-dispatch.ts'
import { egressFields } from './fields-egress.ts'
import { processFields } from './fields-process.ts'
import { boolean, identifier, integer, text } from './parsers.ts'

const database = {
  schema: setting({
    env: 'DB_SCHEMA',
    group: 'Database',
    parse: identifier,
    default: 'dispatch',
    help: 'Schema for all tables of the engine; made when missing.',
  }),
  migrationsTable: setting({
    env: 'DB_MIGRATIONS_TABLE',
    group: 'Database',
    parse: identifier,
    default: 'schema_migrations',
    help: 'Table in that schema that lists the migrations applied.',
  }),
  poolMax: setting({
    env: 'DB_POOL_MAX',
    group: 'Database',
    parse: integer(2, 500),
    default: '10',
    help: 'Most connections to PostgreSQL for serving: two thirds for accepting and sending, the rest for questions. The scan and the health checks have a few of their own.',
  }),
  migrateOnStart: setting({
    env: 'MIGRATE_ON_START',
    group: 'Database',
    parse: boolean,
    default: 'true',
    help: 'Applies pending migrations at start; replicas may start together. When false, a start with pending migrations is refused.',
  }),
}

const tests = {
  failpoints: openSetting({
    env: 'FAILPOINTS',
    group: 'Tests',
    parse: failpoints,
    otherwise: 'off',
    example: 'off',
    help: 'Breaks the process on purpose, to test what happens then: send.before=kill@0.01;publish.before=drop#3. Refused where NODE_ENV=production.',
  }),
  failpointSeed: openSetting({
    env: 'FAILPOINT_SEED',
    group: 'Tests',
    parse: integer(0, 4_294_967_295),
    otherwise: 'another one at every start, said in the log',
    example: '1',
    help: 'Makes the chances of FAILPOINTS fall the same way again.',
  }),
}

function composeSetting(env: string, written: string, help: string, secrecy: 'none' | 'all') {
  const parse = text('any text', 256)
  return setting({ env, group: 'Docker Compose', parse, default: written, help, secrecy, composeOnly: true })
}

const compose = {
  postgresUser: composeSetting('POSTGRES_USER', 'dispatch', 'User of the PostgreSQL container.', 'none'),
  postgresPassword: composeSetting('POSTGRES_PASSWORD', 'dispatch', 'Password of that user.', 'all'),
  postgresDb: composeSetting('POSTGRES_DB', 'dispatch_engine', 'Database that the container makes.', 'none'),
  rabbitmqUser: composeSetting('RABBITMQ_DEFAULT_USER', 'dispatch', 'User of the RabbitMQ container.', 'none'),
  rabbitmqPass: composeSetting('RABBITMQ_DEFAULT_PASS', 'dispatch', 'Password of that user.', 'all'),
}

/** Every setting but the rates of single channels, which are a list of their own. */
export const fields = {
  ...processFields,
  ...dispatchFields,
  ...connectionFields,
  ...egressFields,
  ...database,
  ...tests,
  ...compose,
}

/** Every setting there is; the documentation orders them by group. */
export const allFields: readonly Field[] = [...Object.values(fields), ...channelRates.map(({ field }) => field)]
