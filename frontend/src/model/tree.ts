import type { Flame, FlameRow } from "../api/types";

/** A box of the flame graph: which row, and where in it. Valid for one Flame only. */
export interface Box {
  depth: number;
  index: number;
}

export const ROOT: Box = { depth: 0, index: 0 };

/** First position in `column` whose value is greater than x. */
export function upperBound(column: Uint32Array, x: number, lo = 0, hi = column.length): number {
  while (lo < hi) {
    const mid = (lo + hi) >>> 1;
    if ((column[mid] as number) > x) hi = mid;
    else lo = mid + 1;
  }
  return lo;
}

/** The box of a row that covers x, or -1. */
export function boxAt(row: FlameRow, x: number): number {
  const index = upperBound(row.x1, x);
  return index < row.x0.length && (row.x0[index] as number) <= x ? index : -1;
}

/** The boxes of `row` that lie within [x0, x1): [first, end). */
export function rangeWithin(row: FlameRow, x0: number, x1: number): [number, number] {
  const first = upperBound(row.x1, x0);
  let end = first;
  let hi = row.x0.length;
  // Children are few, rows are long: gallop, then halve.
  let step = 1;
  while (end < hi && (row.x0[end] as number) < x1) {
    if (end + step < hi && (row.x0[end + step] as number) < x1) {
      end += step;
      step *= 2;
    } else {
      hi = Math.min(hi, end + step);
      step = 1;
      end += 1;
    }
  }
  return [first, end];
}

export function widthOf(flame: Flame, box: Box): number {
  const row = flame.rows[box.depth];
  if (!row) return 0;
  return (row.x1[box.index] ?? 0) - (row.x0[box.index] ?? 0);
}

export function extentOf(flame: Flame, box: Box): [number, number] {
  const row = flame.rows[box.depth];
  return [row?.x0[box.index] ?? 0, row?.x1[box.index] ?? 0];
}

export function functionOf(flame: Flame, box: Box): number {
  return flame.rows[box.depth]?.fn[box.index] ?? 0;
}

export function isApportioned(flame: Flame, box: Box): boolean {
  return ((flame.rows[box.depth]?.flags?.[box.index] ?? 0) & 1) !== 0;
}

/** What a box has besides its children. */
export function selfOf(flame: Flame, box: Box): number {
  const [x0, x1] = extentOf(flame, box);
  const next = flame.rows[box.depth + 1];
  let self = x1 - x0;
  if (!next) return self;
  const [first, end] = rangeWithin(next, x0, x1);
  for (let i = first; i < end; i++) self -= (next.x1[i] as number) - (next.x0[i] as number);
  return self;
}

/** From the root to the box, both included. */
export function ancestry(flame: Flame, box: Box): Box[] {
  const [x0] = extentOf(flame, box);
  const boxes: Box[] = [];
  for (let depth = 0; depth < box.depth; depth++) {
    const row = flame.rows[depth];
    const index = row ? boxAt(row, x0) : -1;
    if (index >= 0) boxes.push({ depth, index });
  }
  boxes.push(box);
  return boxes;
}

/** The stable function ids from below the root to the box: what the URL holds. */
export function pathOf(flame: Flame, box: Box): number[] {
  return ancestry(flame, box)
    .slice(1)
    .map((b) => flame.head.functions.id[functionOf(flame, b)] ?? 0);
}

/**
 * The box a path leads to. A path that no longer leads all the way (another window, a pruned
 * branch) ends at the last box it reaches: the person stays near where they were.
 */
export function followPath(flame: Flame, path: readonly number[]): { box: Box; isWhole: boolean } {
  let box = ROOT;
  for (const id of path) {
    const next = flame.rows[box.depth + 1];
    if (!next) return { box, isWhole: false };
    const [x0, x1] = extentOf(flame, box);
    const [first, end] = rangeWithin(next, x0, x1);
    let found = -1;
    for (let i = first; i < end && found < 0; i++)
      if (flame.head.functions.id[next.fn[i] as number] === id) found = i;
    if (found < 0) return { box, isWhole: false };
    box = { depth: box.depth + 1, index: found };
  }
  return { box, isWhole: true };
}

/** How many rows below the box hold anything within it. */
export function depthBelow(flame: Flame, box: Box): number {
  const [x0, x1] = extentOf(flame, box);
  let depth = 0;
  for (let d = box.depth + 1; d < flame.rows.length; d++) {
    const row = flame.rows[d] as FlameRow;
    const [first, end] = rangeWithin(row, x0, x1);
    if (first >= end) break;
    depth++;
  }
  return depth;
}

export function childrenOf(flame: Flame, box: Box): Box[] {
  const next = flame.rows[box.depth + 1];
  if (!next) return [];
  const [x0, x1] = extentOf(flame, box);
  const [first, end] = rangeWithin(next, x0, x1);
  const boxes: Box[] = [];
  for (let index = first; index < end; index++) boxes.push({ depth: box.depth + 1, index });
  return boxes;
}

export interface FunctionSums {
  /** By position in head.functions: width of the outermost boxes, and of what is their own. */
  total: Float64Array;
  self: Float64Array;
}

/** What each function has within a box; recursion counts once. */
export function sumFunctions(flame: Flame, box: Box): FunctionSums {
  const count = flame.head.functions.id.length;
  const total = new Float64Array(count);
  const self = new Float64Array(count);
  const [x0, x1] = extentOf(flame, box);
  // End of the outermost open box of each function: another one inside it is recursion.
  const openUntil = new Float64Array(count).fill(-1);
  const cursor = new Uint32Array(flame.rows.length + 1);
  const last = new Uint32Array(flame.rows.length + 1);
  for (let d = box.depth; d < flame.rows.length; d++) {
    const [first, end] =
      d === box.depth ? [box.index, box.index + 1] : rangeWithin(flame.rows[d] as FlameRow, x0, x1);
    cursor[d] = first;
    last[d] = end;
  }
  // Preorder without recursion: each row has a cursor, a child starts before its parent ends.
  let d = box.depth;
  const ends: number[] = [];
  for (;;) {
    const row = flame.rows[d];
    const index = cursor[d] as number;
    const limit = ends.length ? (ends[ends.length - 1] as number) : x1;
    if (row && index < (last[d] as number) && (row.x0[index] as number) < limit) {
      cursor[d] = index + 1;
      const begin = row.x0[index] as number;
      const end = row.x1[index] as number;
      const fn = row.fn[index] as number;
      const width = end - begin;
      self[fn] = (self[fn] as number) + width;
      if (ends.length) {
        const parent = flame.rows[d - 1] as FlameRow;
        const parentFn = parent.fn[(cursor[d - 1] as number) - 1] as number;
        self[parentFn] = (self[parentFn] as number) - width;
      }
      if (end > (openUntil[fn] as number)) {
        total[fn] = (total[fn] as number) + width;
        openUntil[fn] = end;
      }
      ends.push(end);
      d++;
    } else {
      if (!ends.length) break;
      ends.pop();
      d--;
    }
  }
  return { total, self };
}
