/** The import table of docs/ARCHITECTURE.md as rules. A canary test plants violations and expects each to be reported. */
const adapters = 'postgres|rabbitmq|redis|embedded|provider|telemetry|httpapi'
const tests = '(\\.test\\.ts$|\\.suite\\.ts$|^internal/testkit/|^cmd/e2e/)'

/** Only the adapter of a technology may import its library (and cmd, which wires). */
const only = (pkg, folder) => ({
  name: `only-${folder}-may-use-${pkg}`,
  severity: 'error',
  from: { pathNot: [`^internal/${folder}/`, '^cmd/', tests] },
  to: { path: `node_modules/${pkg}/` },
})

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    { name: 'nothing-imports-cmd', severity: 'error', from: { pathNot: '^cmd/' }, to: { path: '^cmd/' } },
    {
      name: 'domain-is-pure',
      severity: 'error',
      from: { path: '^internal/domain/', pathNot: tests },
      to: { pathNot: '^internal/domain/' },
    },
    {
      name: 'port-sees-domain',
      severity: 'error',
      from: { path: '^internal/port/', pathNot: tests },
      to: { pathNot: '^internal/(domain|port)/' },
    },
    {
      name: 'dispatch-sees-ports',
      severity: 'error',
      from: { path: '^internal/dispatch/', pathNot: tests },
      to: { pathNot: '^internal/(domain|port|dispatch)/' },
    },
    {
      name: 'adapters-do-not-meet',
      severity: 'error',
      from: { path: `^internal/(${adapters})/`, pathNot: tests },
      to: { path: `^internal/(${adapters})/`, pathNot: '^internal/$1/' },
    },
    {
      name: 'only-http-enters-dispatch',
      severity: 'error',
      from: { path: '^internal/(postgres|rabbitmq|redis|embedded|provider|telemetry)/', pathNot: tests },
      to: { path: '^internal/dispatch/' },
    },
    {
      name: 'lifecycle-sees-ports',
      severity: 'error',
      from: { path: '^internal/lifecycle/', pathNot: tests },
      to: { path: '^internal/', pathNot: '^internal/(port|lifecycle)/' },
    },
    {
      name: 'config-sees-domain',
      severity: 'error',
      from: { path: '^internal/config/', pathNot: tests },
      to: { path: '^internal/', pathNot: '^internal/(config|domain)/' },
    },
    {
      name: 'config-is-for-cmd',
      severity: 'error',
      from: { path: '^internal/', pathNot: ['^internal/config/', tests] },
      to: { path: '^internal/config/' },
    },
    {
      name: 'testkit-is-for-tests',
      severity: 'error',
      from: { pathNot: [tests, '^cmd/(test|chaos|bench)/', '^vitest\\.config\\.ts$'] },
      to: { path: '^internal/testkit/|\\.suite\\.ts$|node_modules/vitest/' },
    },
    only('hono', 'httpapi'),
    only('@hono', 'httpapi'),
    only('kysely', 'postgres'),
    only('postgres', 'postgres'),
    only('amqplib', 'rabbitmq'),
    only('ioredis', 'redis'),
    only('prom-client', 'telemetry'),
    only('pino', 'telemetry'),
    only('undici', 'provider'),
    only('nodemailer', 'provider'),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^cmd/bench/peers/' }, // packages of their own
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      extensions: ['.ts', '.js', '.mjs', '.cjs'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
}
