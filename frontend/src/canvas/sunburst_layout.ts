import { gallop, type BoxColumns } from "./rows";

export interface Arc {
  depth: number;
  /** -1: stands for several that are too thin to be drawn one by one. */
  index: number;
  /** Angles in radians, 0 at the top, clockwise. */
  a0: number;
  a1: number;
  r0: number;
  r1: number;
}

/** What is shown: the root's extent fills the circle; `depth` may lie between rows while moving. */
export interface SunburstFrame {
  lo: number;
  hi: number;
  depth: number;
  rings: number;
  radius: number;
  /** So many of the rings, the innermost, are drawn thin: they are the same for most of it. */
  thin?: number;
  /** Arcs narrower than this are left out; in the units of lo and hi. */
  least?: number;
}

const TURN = Math.PI * 2;
/** The disc in the middle holds words. */
const HOLE = 0.23;
const THIN_PX = 4;
const THIN_SHARE = 0.3; // of what is outside the disc, together at most

/** The disc in the middle, thin rings where asked for, then rings that get a little thinner towards the edge. */
export function ringRadius(frame: SunburstFrame, level: number): number {
  const hole = frame.radius * HOLE;
  if (level <= 0) return 0;
  if (level <= 1) return hole * level;
  const thin = frame.thin ?? 0;
  const room = frame.radius - hole;
  const band = Math.min(thin * THIN_PX, room * THIN_SHARE);
  if (level - 1 < thin) return hole + (band * (level - 1)) / thin;
  const share = Math.min(1, (level - 1 - thin) / Math.max(1, frame.rings - thin));
  return hole + band + (room - band) * Math.pow(share, 0.88);
}

/** The ring a distance from the centre falls into: 0 is the disc, -1 is outside. */
export function ringAt(frame: SunburstFrame, distance: number): number {
  for (let level = 0; level <= frame.rings; level++)
    if (distance < ringRadius(frame, level + 1)) return level;
  return -1;
}

/**
 * Arcs to draw, inner ones first. Arcs thinner than half a pixel are joined into one that stands
 * for them, so a ring is never empty where there is something, and there are never more than a few
 * thousand whatever the profile holds.
 */
export function layoutArcs(rows: readonly BoxColumns[], frame: SunburstFrame): Arc[] {
  const arcs: Arc[] = [];
  const width = frame.hi - frame.lo;
  const least = frame.least ?? 0;
  if (!(width > 0)) return arcs;
  const first = Math.max(0, Math.ceil(frame.depth - 0.999));
  const last = Math.min(rows.length - 1, Math.ceil(frame.depth + frame.rings));
  for (let depth = first; depth <= last; depth++) {
    const level = depth - frame.depth;
    const r0 = ringRadius(frame, level);
    const r1 = ringRadius(frame, level + 1);
    if (r1 - r0 < 0.5) continue;
    const row = rows[depth] as BoxColumns;
    const thinnest = width * (0.5 / (TURN * Math.max(r1, 1)));
    let i = gallop(row.x1, frame.lo, 0);
    let restFrom = -1;
    let restTo = -1;
    const flush = () => {
      if (restFrom >= 0 && restTo - restFrom > thinnest && least === 0)
        arcs.push(arc(depth, -1, restFrom, restTo, r0, r1, frame));
      restFrom = -1;
    };
    while (i < row.x0.length && (row.x0[i] as number) < frame.hi) {
      const x0 = row.x0[i] as number;
      const x1 = row.x1[i] as number;
      if (x1 - x0 >= thinnest) {
        flush();
        if (x1 - x0 >= least) arcs.push(arc(depth, i, x0, x1, r0, r1, frame));
        i++;
        continue;
      }
      if (restFrom >= 0 && x0 - restTo > thinnest * 2) flush();
      if (restFrom < 0) restFrom = x0;
      // Everything that starts within the next half pixel is part of the same sliver.
      restTo = Math.max(x1, Math.min(x0 + thinnest, frame.hi));
      const next = gallop(row.x1, x0 + thinnest, i + 1);
      const before = row.x1[Math.max(i, next - 1)] as number;
      if (before - x0 < thinnest * 2) restTo = Math.max(x1, before);
      i = next;
    }
    flush();
  }
  return arcs;
}

/** A thin rim where the outermost ring hides deeper ones. */
export function layoutRim(rows: readonly BoxColumns[], frame: SunburstFrame): Arc[] {
  const depth = Math.round(frame.depth) + frame.rings + 1;
  const row = rows[depth];
  const rim: Arc[] = [];
  if (!row || !Number.isInteger(frame.rings)) return rim;
  const thinnest = (frame.hi - frame.lo) / (TURN * frame.radius);
  let i = gallop(row.x1, frame.lo, 0);
  while (i < row.x0.length && (row.x0[i] as number) < frame.hi) {
    const x0 = row.x0[i] as number;
    if ((row.x1[i] as number) - x0 < (frame.least ?? 0)) {
      i++;
      continue;
    }
    const x1 = Math.max(row.x1[i] as number, x0 + thinnest);
    rim.push(arc(depth, -1, x0, x1, frame.radius + 2.5, frame.radius + 5, frame));
    i = gallop(row.x1, x1, i + 1);
  }
  return rim;
}

function arc(
  depth: number,
  index: number,
  x0: number,
  x1: number,
  r0: number,
  r1: number,
  frame: SunburstFrame,
): Arc {
  const turn = TURN / (frame.hi - frame.lo);
  const a0 = Math.max(0, (x0 - frame.lo) * turn);
  const a1 = Math.min(TURN, (x1 - frame.lo) * turn);
  return { depth, index, a0, a1, r0, r1 };
}

/** Angle (0 at the top, clockwise) of a point relative to the centre. */
export function angleOf(dx: number, dy: number): number {
  const angle = Math.atan2(dx, -dy);
  return angle < 0 ? angle + TURN : angle;
}

export function mixFrames(a: SunburstFrame, b: SunburstFrame, t: number): SunburstFrame {
  const mix = (x: number, y: number) => x + (y - x) * t;
  return {
    lo: mix(a.lo, b.lo),
    hi: mix(a.hi, b.hi),
    depth: mix(a.depth, b.depth),
    rings: mix(a.rings, b.rings),
    radius: b.radius,
    thin: mix(a.thin ?? 0, b.thin ?? 0),
    least: b.least ?? 0,
  };
}
