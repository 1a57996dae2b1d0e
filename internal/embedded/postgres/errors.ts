/** The embedded database cannot be had; the message is one sentence for the person who starts the engine. */
export class EmbeddedPostgresError extends Error {}

/** The system's code of a failed call (`ENOENT`, `EACCES` …), undefined for other errors. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
