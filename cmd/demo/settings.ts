import type { Environment } from '../dispatch/environment.ts'

/** Addresses, roles and keys that a developer's shell may hold; the demonstration brings its own parts and asks no key. */
const ignored = [
  'DATABASE_URL',
  'DATABASE_DSN',
  'RABBITMQ_URL',
  'REDIS_URL',
  'WEBHOOK_SITE_URL',
  'APP_ROLE',
  'MANAGEMENT_API_KEY',
  'API_KEY',
] as const

/** Settings of the demonstration: built-in parts, readable logs, the port of the environment. */
export function demoSettings(environment: Environment): Environment {
  const kept = Object.entries(environment).filter(([name]) => !ignored.some((one) => one === name))
  return { LOG_FORMAT: 'pretty', ...Object.fromEntries(kept), EMBEDDED: '1' }
}

/** The port people reach the engine on; whether it is a sensible one is for the engine to say. */
export function demoPort(environment: Environment): number {
  const names = ['API_PORT', 'APP_PORT', 'PORT']
  const text = names.map((name) => environment[name]?.trim()).find((value) => value !== undefined && value !== '')
  return Number(text ?? 8080)
}
