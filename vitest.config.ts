import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

/** Suffixes say what a test needs: `.pg`, `.amqp`, `.redis` a server, `.e2e` running processes (one file at a time). */
const needsServer = ['**/*.{pg,amqp,redis}.test.ts']
const setupFiles = ['internal/testkit/seed.setup.ts']
/** The peers of the benchmark bring packages of their own, with tests of their own. */
const packages = ['**/node_modules/**']
const e2e = ['cmd/{e2e,chaos}/**/*.e2e.test.ts']
/** Much of the tests' time is waiting, for servers and processes: vitest's own choice, one core less, is one file at a time on two cores. */
const maxWorkers = Math.max(2, availableParallelism() - 1)

export default defineConfig({
  test: {
    maxWorkers,
    coverage: {
      provider: 'v8',
      include: ['cmd/**/*.ts', 'internal/**/*.ts'],
      exclude: ['**/*.test.ts', '**/*.suite.ts', 'internal/testkit/**', 'cmd/e2e/**'],
      reporter: ['text-summary', 'lcov', 'json-summary'],
    },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{cmd,internal}/**/*.test.ts'],
          exclude: [...needsServer, ...e2e, ...packages],
          setupFiles,
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'services',
          include: needsServer,
          exclude: packages,
          setupFiles,
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: e2e,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
