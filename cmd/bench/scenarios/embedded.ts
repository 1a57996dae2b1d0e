import { drain } from './drain.ts'
import type { Contest } from './scenario.ts'

export const embedded: Contest = {
  ...drain,
  name: 'embedded',
  about:
    'as drain, with the three services and with built-in parts (EMBEDDED=1, PostgreSQL with the settings it comes with, its processor time counted as that of the service)',
  who: ['engine', 'embedded'],
}
