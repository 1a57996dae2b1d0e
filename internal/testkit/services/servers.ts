import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { findFreePort } from '../../embedded/postgres/free-port.ts'
import { runTool } from '../../embedded/postgres/run-tool.ts'
import { ControlledServer } from './controlled-server.ts'
import type { ServerPrograms } from './find-programs.ts'
import { answers, makeOwnFolder, type ServerPlace, type ServerProcess, startServer } from './server-process.ts'

/** Called with each process as soon as it exists, so that it can be ended even when the start fails after that. */
export type Register = (server: ServerProcess) => void
type Programs<Name extends keyof ServerPrograms> = NonNullable<ServerPrograms[Name]>

/** PostgreSQL without a password, with room for many test files at once, and without fsync: its data lives as long as the run. */
export async function startPostgres(
  place: ServerPlace,
  programs: Programs<'postgres'>,
  register: Register,
): Promise<ControlledServer> {
  const data = await makeOwnFolder(place, 'data')
  const args = ['-D', data, '-U', 'app', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
  const initdb = await runTool(programs.initdb, args, { user: place.user, timeoutMs: 60_000 })
  if (initdb.exitCode !== 0) throw new Error(`initdb failed: ${initdb.stderr.trim()}`)
  const port = await findFreePort()
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'max_connections=300',
    'fsync=off',
    'shared_buffers=128MB',
  ]
  // Protocol 3.0 start-up packet; `R` is "authentication ok", while it recovers or refuses the answer is an `E`.
  const body = Buffer.from('\0\x03\0\0user\0app\0database\0postgres\0\0', 'latin1')
  const hello = Buffer.concat([Buffer.alloc(4), body])
  hello.writeInt32BE(hello.length)
  const spec = {
    program: programs.postgres,
    args: ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])],
    stopSignal: 'SIGQUIT',
    stopWithinMs: 5_000,
  } as const
  const named = { name: 'postgres', url: `postgres://app@127.0.0.1:${port}/postgres`, place }
  return opened(new ControlledServer(named, spec, 30_000, () => answers(port, hello, 'R')), register)
}

async function opened(server: ControlledServer, register: Register): Promise<ControlledServer> {
  register(server)
  await server.ready()
  return server
}

export async function startRedis(
  place: ServerPlace,
  programs: Programs<'redis'>,
  register: Register,
): Promise<ControlledServer> {
  const port = await findFreePort()
  const spec = {
    program: programs.server,
    args: ['--port', String(port), '--bind', '127.0.0.1', '--dir', place.folder, '--save', '', '--appendonly', 'no'],
    stopSignal: 'SIGTERM',
    stopWithinMs: 5_000,
  } as const
  const named = { name: 'redis', url: `redis://127.0.0.1:${port}`, place }
  return opened(new ControlledServer(named, spec, 15_000, () => answers(port, Buffer.from('PING\r\n'), '+')), register)
}

/**
 * RabbitMQ with a name server (epmd) of its own: a shared one would outlive the run, and its default port may belong to
 * another broker of the machine. HOME is the throwaway folder, where Erlang keeps its cookie.
 */
export async function startRabbitMq(
  place: ServerPlace,
  programs: Programs<'rabbitmq'>,
  register: Register,
): Promise<ControlledServer> {
  const [port, distributionPort, epmdPort] = [await findFreePort(), await findFreePort(), await findFreePort()]
  const env = await rabbitMqEnvironment(place, { port, distributionPort, epmdPort })
  const epmd = startServer(place, 'epmd', {
    program: programs.epmd,
    args: ['-port', String(epmdPort), '-address', '127.0.0.1'],
    stopSignal: 'SIGTERM',
    stopWithinMs: 2_000,
  })
  register(epmd)
  // The header of AMQP 0-9-1; a broker that takes connections answers with a method frame, whose first byte is 1.
  const hello = Buffer.from('AMQP\0\0\x09\x01', 'latin1')
  const spec = { program: programs.server, args: [], env, stopSignal: 'SIGTERM', stopWithinMs: 10_000 } as const
  const named = { name: 'rabbitmq', url: `amqp://guest:guest@127.0.0.1:${port}`, place }
  return opened(new ControlledServer(named, spec, 90_000, () => answers(port, hello, '\x01')), register)
}

interface RabbitMqPorts {
  readonly port: number
  readonly distributionPort: number
  readonly epmdPort: number
}

async function rabbitMqEnvironment(place: ServerPlace, ports: RabbitMqPorts): Promise<Record<string, string>> {
  const config = path.join(place.folder, 'rabbitmq.conf')
  await writeFile(config, 'disk_free_limit.absolute = 50MB\nlog.file.level = warning\n', { mode: 0o644 })
  const plugins = path.join(place.folder, 'enabled_plugins')
  await writeFile(plugins, '[].\n', { mode: 0o644 })
  const empty = path.join(place.folder, 'empty.conf')
  await writeFile(empty, '', { mode: 0o644 })
  return {
    RABBITMQ_NODENAME: 'throwaway@localhost',
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(ports.port),
    RABBITMQ_DIST_PORT: String(ports.distributionPort),
    ERL_EPMD_PORT: String(ports.epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    // Without it the port between Erlang nodes listens on every address of the machine.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    RABBITMQ_MNESIA_BASE: await makeOwnFolder(place, 'mnesia'),
    RABBITMQ_LOG_BASE: await makeOwnFolder(place, 'log'),
    RABBITMQ_PID_FILE: path.join(place.folder, 'mnesia', 'pid'),
    RABBITMQ_ENABLED_PLUGINS_FILE: plugins,
    RABBITMQ_CONFIG_FILE: config,
    // The machine's own settings would win over some of these.
    RABBITMQ_CONF_ENV_FILE: empty,
    // Become the Erlang machine instead of starting one and waiting: then the process we know is the broker.
    RUNNING_UNDER_SYSTEMD: 'true',
  }
}
