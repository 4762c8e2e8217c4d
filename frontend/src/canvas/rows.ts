/** The columns that the layouts below work on; a FlameRow is one of these. */
export interface BoxColumns {
  x0: Uint32Array;
  x1: Uint32Array;
  fn: Uint32Array;
  flags: Uint32Array | null;
  /** Positions in a scene's colours, where a box's colour is its own and not its function's. */
  tint?: Uint32Array | null;
}

/** First position at or after `from` whose x1 is greater than x: near ones are found first. */
export function gallop(x1: Uint32Array, x: number, from: number): number {
  let lo = from;
  let step = 1;
  let hi = from;
  while (hi < x1.length && (x1[hi] as number) <= x) {
    lo = hi + 1;
    hi += step;
    step *= 2;
  }
  if (hi > x1.length) hi = x1.length;
  while (lo < hi) {
    const mid = (lo + hi) >>> 1;
    if ((x1[mid] as number) > x) hi = mid;
    else lo = mid + 1;
  }
  return lo;
}
