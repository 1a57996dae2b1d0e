export interface Violation {
  /** 1 to 12, as docs/RELIABILITY.md numbers them; 0 = a promise of the process itself. */
  readonly invariant: number
  readonly text: string
  /** A violation all the same, which docs/RELIABILITY.md lists as not mended yet. */
  readonly isKnownGap?: true
}
