/**
 * Milliseconds of a clock that every process of this machine shares and nobody sets: `performance.now()` begins anew in
 * each process.
 */
export function sharedNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
