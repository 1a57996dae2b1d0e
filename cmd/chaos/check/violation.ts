export interface Violation {
  /** 1 to 12, as docs/RELIABILITY.md numbers them; 0 = a promise of the process itself. */
  readonly invariant: number
  readonly text: string
}
