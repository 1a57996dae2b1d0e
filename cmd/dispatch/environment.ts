import { config as readDotenv } from 'dotenv'

export type Environment = Readonly<Record<string, string | undefined>>

/** The environment, with a `.env` file of the working folder behind it: a variable that is set always wins. */
export function readEnvironment(): Environment {
  const fromFile: Record<string, string> = {}
  readDotenv({ quiet: true, processEnv: fromFile })
  return { ...fromFile, ...process.env }
}
