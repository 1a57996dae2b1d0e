import { readEnvironment } from './environment.ts'
import { runEngine } from './run.ts'

process.exit(await runEngine(readEnvironment()))
