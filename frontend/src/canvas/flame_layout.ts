import { gallop, type BoxColumns } from "./rows";

/** Boxes of one row that are wide enough to carry text or hatching; pixels from the left edge. */
export interface WideBoxes {
  length: number;
  index: Int32Array;
  left: Int32Array;
  right: Int32Array;
}

export function wideBoxes(capacity: number): WideBoxes {
  return {
    length: 0,
    index: new Int32Array(capacity),
    left: new Int32Array(capacity),
    right: new Int32Array(capacity),
  };
}

export interface Domain {
  lo: number;
  hi: number;
}

/**
 * Writes one row of boxes into one line of pixels. Each pixel column is looked at about once
 * however many boxes lie in it, so a row of a million boxes costs what a row of a thousand does.
 * `colours` are by function position; `gap` separates boxes that are wide enough to be told apart.
 */
export function paintLine(
  line: Uint32Array,
  row: BoxColumns,
  domain: Domain,
  colours: Uint32Array,
  gap: number,
  wide: WideBoxes,
  wideFrom: number,
): void {
  const pixels = line.length;
  const { x0, x1 } = row;
  const tint = row.tint ?? row.fn;
  const scale = pixels / (domain.hi - domain.lo);
  wide.length = 0;
  let painted = 0; // columns to the left of this are done
  let i = gallop(x1, domain.lo, 0);
  while (i < x0.length && (x0[i] as number) < domain.hi) {
    const left = ((x0[i] as number) - domain.lo) * scale;
    const right = ((x1[i] as number) - domain.lo) * scale;
    const colour = colours[tint[i] as number] as number;
    const from = Math.max(painted, Math.round(left), 0);
    const to = Math.min(Math.round(right), pixels);
    if (to > from) {
      line.fill(colour, from, to);
      if (to - from >= 3) line[to - 1] = gap;
      painted = to;
      if (to - from >= wideFrom && wide.length < wide.index.length) {
        wide.index[wide.length] = i;
        wide.left[wide.length] = from;
        wide.right[wide.length] = to;
        wide.length++;
      }
      i++;
      continue;
    }
    // Too narrow to round to a column of its own: one of those that share a column stands for all.
    const column = Math.floor(left);
    if (column >= painted && column >= 0 && column < pixels) {
      line[column] = colour;
      painted = column + 1;
    }
    const next = domain.lo + (Math.max(column, painted - 1) + 1) / scale;
    i = gallop(x1, next, i + 1);
  }
}

/** The box under a pixel: exact when there is one, else the nearest within a pixel. */
export function hitTest(row: BoxColumns, domain: Domain, pixels: number, x: number): number {
  const unit = (domain.hi - domain.lo) / pixels;
  const at = domain.lo + x * unit;
  const i = gallop(row.x1, at, 0);
  if (i < row.x0.length && (row.x0[i] as number) <= at) return i;
  if (i < row.x0.length && (row.x0[i] as number) - at <= unit) return i;
  if (i > 0 && at - (row.x1[i - 1] as number) <= unit) return i - 1;
  return -1;
}

/** Zooms about a point that stays where it is, never past the whole or below `narrowest`. */
export function zoomDomain(
  domain: Domain,
  at: number,
  factor: number,
  whole: Domain,
  narrowest: number,
): Domain {
  const all = whole.hi - whole.lo;
  const width = Math.min(all, Math.max(narrowest, (domain.hi - domain.lo) * factor));
  const share = (at - domain.lo) / (domain.hi - domain.lo);
  return clampDomain({ lo: at - share * width, hi: at - share * width + width }, whole);
}

export function clampDomain(domain: Domain, whole: Domain): Domain {
  const width = Math.min(domain.hi - domain.lo, whole.hi - whole.lo);
  const lo = Math.min(Math.max(domain.lo, whole.lo), whole.hi - width);
  return { lo, hi: lo + width };
}
