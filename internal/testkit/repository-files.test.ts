import { execFile, spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { namesOf } from '../config/field.ts'
import { allFields, fields } from '../config/fields.ts'

// The container and CI files run where these tests do not: on a Docker engine and on GitHub. What can be held against
// the repository is: every path, port, script, target, package, setting and metric they name.

const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (path: string) => readFileSync(`${root}${path}`, 'utf8')
const exists = (path: string) => existsSync(`${root}${path}`)
const matches = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map((match) => match[1] ?? '')

const strings = z.array(z.string())
const manifest = z
  .object({
    scripts: z.record(z.string(), z.string()),
    dependencies: z.record(z.string(), z.string()),
    devDependencies: z.record(z.string(), z.string()),
  })
  .parse(JSON.parse(read('package.json')))

const service = z.object({
  image: z.string().optional(),
  build: z.string().optional(),
  command: strings.optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  environment: z.record(z.string(), z.union([z.string(), z.number(), z.null()])).default({}),
  ports: strings.default([]),
  volumes: strings.default([]),
  healthcheck: z.object({ test: strings }).optional(),
  stop_grace_period: z.string().optional(),
})
const composeText = read('docker-compose.yml')
const compose = z
  .object({ services: z.record(z.string(), service), volumes: z.record(z.string(), z.null()) })
  .parse(parse(composeText))
const serviceNamed = (name: string) => service.parse(compose.services[name])

const step = z.object({ run: z.string().default(''), uses: z.string().default('') })
const job = z.object({
  needs: strings.default([]),
  if: z.string().optional(),
  services: z.record(z.string(), z.object({ image: z.string(), ports: strings })).default({}),
  env: z.record(z.string(), z.string()).default({}),
  permissions: z.record(z.string(), z.string()).optional(),
  steps: z.array(step),
})
const workflowText = read('.github/workflows/ci.yml')
const workflow = z
  .object({
    on: z.object({
      pull_request: z.null(),
      workflow_dispatch: z.null(),
      push: z.object({ branches: strings, tags: strings }),
    }),
    permissions: z.record(z.string(), z.string()),
    jobs: z.record(z.string(), job),
  })
  .parse(parse(workflowText))
const jobNamed = (name: string) => job.parse(workflow.jobs[name])

const dockerfile = read('Dockerfile')
const ignored = read('.dockerignore').split('\n')
const commandAfter = (keyword: RegExp) => strings.parse(JSON.parse(matches(dockerfile, keyword).at(-1) ?? '[]'))

/** `dist/cmd/x/main.js` is what `tsc` makes of `cmd/x/main.ts`. */
const sourceOf = (compiled: string) => compiled.replace(/^dist\//, '').replace(/\.js$/, '.ts')
const compiledIn = (command: readonly string[]) => command.filter((part) => part.startsWith('dist/'))

describe('Dockerfile', () => {
  it('copies only files that exist and that .dockerignore lets into the context', () => {
    const copied = matches(dockerfile, /^COPY (?!--from)(.+) \S+$/gm).flatMap((line) => line.split(' '))
    expect(copied).toContain('package-lock.json')
    for (const path of copied.filter((one) => one !== '.')) {
      expect(exists(path), path).toBe(true)
      expect(ignored, path).toContain(`!${path}`)
    }
  })

  it('lets in whatever the build script and the compiler read', () => {
    const { include, extends: base } = z
      .object({ include: strings, extends: z.string() })
      .parse(JSON.parse(read('tsconfig.build.json')))
    const named = matches(manifest.scripts['build'] ?? '', /([\w./-]+)/g).filter((word) => exists(word))
    const sources = [...include, posix.normalize(base), 'migrations', ...named]
    for (const path of sources.filter((one) => !/^(dist|node_modules)\b/.test(one))) {
      expect(ignored, path).toContain(`!${path.split('/')[0]}`)
    }
  })

  it('keeps secrets, data and history out of the context, and leaves no hole in what it lets in', () => {
    expect(ignored.filter((line) => /^[^!#]/.test(line))).toEqual(['*'])
    expect(ignored.filter((line) => /^!(\.env|\.git|\.data|node_modules|dist)/.test(line))).toEqual([])
  })

  it('runs only npm scripts that exist, and starts a program that is compiled from a file here, not as root', () => {
    for (const script of matches(dockerfile, /npm run ([\w:-]+)/g)) expect(manifest.scripts).toHaveProperty(script)
    const started = compiledIn(commandAfter(/^CMD (\[.*\])$/gm))
    expect(started.map(sourceOf)).toEqual(['cmd/dispatch/main.ts'])
    for (const path of started) expect(exists(sourceOf(path)), path).toBe(true)
    expect(manifest.scripts['start']).toContain(commandAfter(/^CMD (\[.*\])$/gm).join(' '))
    expect(matches(dockerfile, /^USER (\d+)/gm)).toEqual(['1000'])
  })

  it('needs only production packages at run time', () => {
    const files = globSync(['cmd/**/*.ts', 'internal/**/*.ts'], { cwd: root }).filter(
      (path) => !/\.(test|suite)\.ts$|^internal\/testkit\/|^cmd\/(e2e|bench|chaos)\//.test(path),
    )
    expect(files.length).toBeGreaterThan(0)
    const missing = files.flatMap((path) =>
      matches(read(path), /^(?:import|export) (?!type )[\w$*{}\s,]*?from '([^'.][^']*)'/gm)
        .concat(matches(read(path), /\bimport\('([^'.][^']*)'\)/g), matches(read(path), /^import '([^'.][^']*)'/gm))
        .filter((name) => !name.startsWith('node:'))
        .map((name) => name.match(/^(@[^/]+\/)?[^/]+/)?.[0] ?? name)
        .filter((name) => !(name in manifest.dependencies))
        .map((name) => `${path}: ${name}`),
    )
    expect(missing).toEqual([])
  })
})

/** Runs a container's health command on this machine; resolves to its exit code. */
function healthExitCode(command: readonly string[], port: number): Promise<number> {
  const [, ...args] = command.map((part) => part.replaceAll('8090', String(port)))
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env: { API_PORT: String(port) }, timeout: 10_000 }, (error) =>
      resolve(error === null ? 0 : Number(error.code)),
    )
  })
}

describe.each([
  ['the image', commandAfter(/^HEALTHCHECK [\s\S]*?CMD (\[.*\])$/gm)],
  ['the sink', serviceNamed('sink').healthcheck?.test.slice(1) ?? []],
])('health command of %s', (_, command) => {
  it('succeeds when the server answers, fails when it is gone', async () => {
    const asked: (string | undefined)[] = []
    const server = createServer((request, response) => {
      asked.push(request.url)
      response.end('{"status":"ok"}')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = z.object({ port: z.number() }).parse(server.address())
    expect(await healthExitCode(command, port)).toBe(0)
    expect(asked.filter((url) => url !== '/livez')).toEqual([])
    await new Promise((resolve) => server.close(resolve))
    expect(await healthExitCode(command, port)).toBe(1)
  })
})

describe('docker-compose.yml', () => {
  const all = Object.entries(compose.services)

  it('publishes the ports people expect, on this machine only', () => {
    const published = all.flatMap(([, one]) => one.ports.map((port) => port.replace(/\$\{\w+:-(\d+)\}/, '$1')))
    const expected = [8080, 5432, 5672, 15_672, 6379, 9090].map((port) => `127.0.0.1:${port}:${port}`)
    expect(published.toSorted()).toEqual(expected.toSorted())
  })

  it('pins an image or builds one, and checks the health of each service', () => {
    for (const [name, one] of all) {
      expect(one.image ?? '', name).toMatch(one.build === undefined ? /^[\w/]+:v?\d[\w-]*$/ : /^$/)
      expect(one.healthcheck !== undefined || name === 'app', name).toBe(true) // the app's is in the image
    }
    expect(exists('Dockerfile')).toBe(true)
  })

  it('waits only for services it has', () => {
    for (const name of all.flatMap(([, one]) => Object.keys(one.depends_on)))
      expect(compose.services).toHaveProperty(name)
  })

  it('mounts only files that exist and volumes that are declared', () => {
    for (const source of all.flatMap(([, one]) => one.volumes.map((mount) => mount.split(':')[0] ?? ''))) {
      if (source.startsWith('./')) expect(exists(source.slice(2)), source).toBe(true)
      else expect(compose.volumes).toHaveProperty(source)
    }
  })

  it('runs only programs that are compiled from a file here', () => {
    const programs = all.flatMap(([, one]) => compiledIn(one.command ?? [])).map(sourceOf)
    expect(programs).toEqual(['cmd/sink/main.ts'])
    for (const path of programs) expect(exists(path), path).toBe(true)
  })

  it('starts without a .env: every variable has a default, the same as in the settings', () => {
    const used = [...composeText.matchAll(/(?<!\$)\$\{(\w+)(?::-([^}]*))?\}/g)]
    expect(used.length).toBeGreaterThan(0)
    for (const [, name, written] of used) {
      expect(written, name).toBeTruthy()
      const field = allFields.find((one) => namesOf(one).includes(name ?? ''))
      expect(field, name).toBeDefined()
      if (field !== undefined && 'written' in field.fallback) expect(written, name).toBe(field.fallback.written)
    }
  })

  it('hands every setting to the app but those that belong to the container', () => {
    const { embedded, dataDir, nodeEnv, host, database, port } = fields
    const fixed = new Set([embedded, dataDir, nodeEnv, host].flatMap(namesOf))
    for (const alias of [...database.aliases, ...port.aliases]) fixed.add(alias) // two names, two values: an error
    const wanted = allFields.filter((field) => !field.composeOnly && field.group !== 'Tests').flatMap(namesOf)
    expect(Object.keys(serviceNamed('app').environment).toSorted()).toEqual(
      wanted.filter((name) => !fixed.has(name)).toSorted(),
    )
  })

  it('sends the app to services of this file, on their ports', () => {
    const { environment } = serviceNamed('app')
    const hosts = Object.values(environment).flatMap((value) =>
      matches(`${value}`, /(?:@|\/\/|:-http:\/\/)([a-z]+:\d+)/g),
    )
    expect(hosts.toSorted()).toEqual(['postgres:5432', 'rabbitmq:5672', 'redis:6379', 'sink:8090'])
    expect(serviceNamed('sink').command?.join(' ')).toContain('--host 0.0.0.0 --port 8090')
    expect(`${environment['API_PORT']}`).toBe(matches(dockerfile, /^EXPOSE (\d+)$/gm).join(' '))
  })

  it('gives a stop more time than the engine takes for it', () => {
    const graceSeconds = Number.parseInt(serviceNamed('app').stop_grace_period ?? '', 10)
    expect(graceSeconds * 1_000).toBeGreaterThan(fields.shutdownTimeoutMs.fallback.value)
  })
})

describe('.github/workflows/ci.yml', () => {
  const runs = Object.values(workflow.jobs).flatMap((one) => one.steps.map(({ run }) => run))

  it('runs for pull requests, main, version tags and by hand', () => {
    expect(workflow.on.push).toEqual({ branches: ['main'], tags: ['v*'] })
  })

  it('names only npm scripts, make targets and programs that exist', () => {
    const scripts = runs.flatMap((run) => matches(run, /npm run ([\w:-]+)/g))
    expect(scripts.length).toBeGreaterThan(0)
    for (const script of scripts) expect(manifest.scripts).toHaveProperty(script)
    for (const program of runs.flatMap((run) => matches(run, /npx ([\w-]+)/g))) {
      expect(manifest.devDependencies).toHaveProperty(program)
    }
    const targets = matches(`${workflowText}${composeText}`, /`make ([\w-]+)`/g)
    const makefile = read('Makefile')
    for (const target of targets) expect(makefile, target).toMatch(new RegExp(`^${target}:`, 'm'))
  })

  it('checks all that `check` promises', () => {
    const text = jobNamed('check')
      .steps.map(({ run }) => run)
      .join('\n')
    for (const command of ['npm ci', 'npm audit signatures', 'vitest run --coverage', 'npm audit --omit=dev']) {
      expect(text).toContain(command)
    }
  })

  it('tests against the images that docker-compose.yml runs, where the tests look for them', () => {
    const { services, env } = jobNamed('check')
    expect(Object.keys(services)).toHaveLength(3)
    for (const [name, { image, ports }] of Object.entries(services)) {
      expect(image).toBe(serviceNamed(name).image)
      const port = ports[0]?.split(':')[0]
      expect(
        Object.values(env).some((url) => url.includes(`127.0.0.1:${port}`)),
        name,
      ).toBe(true)
    }
    expect(Object.keys(env).toSorted()).toEqual(['TEST_DATABASE_URL', 'TEST_RABBITMQ_URL', 'TEST_REDIS_URL'])
  })

  it('pushes an image only from main and version tags, after the checks, with no more rights than that', () => {
    const image = jobNamed('image')
    expect(image.needs).toContain('check')
    expect(image.if).toBe("github.ref == 'refs/heads/main' || startsWith(github.ref, 'refs/tags/v')")
    expect(image.permissions).toEqual({ contents: 'read', packages: 'write' })
    expect(workflow.permissions).toEqual({ contents: 'read' })
    const pushing = Object.entries(workflow.jobs).filter(([, one]) =>
      one.steps.some(({ uses }) => uses.startsWith('docker/')),
    )
    expect(pushing.map(([name]) => name)).toEqual(['image'])
  })

  it('pins the major version of every action', () => {
    const used = Object.values(workflow.jobs).flatMap((one) => one.steps.map(({ uses }) => uses).filter(Boolean))
    for (const action of used) expect(action).toMatch(/^(actions|docker)\/[\w-]+@v\d+$/)
  })
})

describe('Prometheus', () => {
  const config = z
    .object({
      rule_files: strings,
      scrape_configs: z.array(
        z.object({ job_name: z.string(), static_configs: z.array(z.object({ targets: strings })) }),
      ),
    })
    .parse(parse(read('docker/prometheus.yml')))
  const rules = z
    .object({ groups: z.array(z.object({ rules: z.array(z.object({ alert: z.string(), expr: z.string() })) })) })
    .parse(parse(read('docker/alerts.yml')))
    .groups.flatMap((group) => group.rules)

  it('scrapes the app where docker-compose.yml runs it', () => {
    const targets = config.scrape_configs.flatMap((one) => one.static_configs.flatMap((part) => part.targets))
    expect(targets).toEqual([`app:${serviceNamed('app').environment['API_PORT']}`, 'localhost:9090'])
  })

  it('finds its rule files, here and in the container', () => {
    expect(config.rule_files).not.toEqual([])
    for (const file of config.rule_files) {
      expect(exists(`docker/${file}`), file).toBe(true)
      expect(serviceNamed('prometheus').volumes).toContain(`./docker/${file}:/etc/prometheus/${file}:ro`)
    }
  })

  it('alerts on metrics and jobs that exist', () => {
    const sources = globSync('internal/telemetry/*.ts', { cwd: root }).filter((path) => !path.endsWith('.test.ts'))
    const telemetry = sources.map(read).join('\n')
    const used = new Set(rules.flatMap(({ expr }) => matches(expr, /\bdispatch_engine_(\w+)/g)))
    expect(used.size).toBeGreaterThan(0)
    for (const name of used) expect(telemetry, name).toMatch(new RegExp(`['"\`](dispatch_engine_)?${name}['"\`]`))
    for (const name of rules.flatMap(({ expr }) => matches(expr, /job="([^"]+)"/g))) {
      expect(config.scrape_configs.map((one) => one.job_name)).toContain(name)
    }
  })

  it('has a test for every alert', () => {
    const tested = read('docker/alerts.test.yml')
    for (const { alert } of rules) expect(matches(tested, /alertname: (\w+)$/gm)).toContain(alert)
  })

  const program = 'promtool' // of Debian's package prometheus; CI runs the one of the image
  const promtool = (...args: string[]) => spawnSync(program, args, { cwd: root, encoding: 'utf8' })

  it.runIf(promtool('--version').status === 0)('is accepted by promtool, rule tests included', () => {
    for (const { status, stdout, stderr } of [
      promtool('check', 'config', 'docker/prometheus.yml'),
      promtool('test', 'rules', 'docker/alerts.test.yml'),
    ]) {
      expect(status, `${stdout}${stderr}`).toBe(0)
    }
  })
})
