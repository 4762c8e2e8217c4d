import type { DiffAnswer, DiffNumber, DiffRow, Flame, FlameRow } from "../api/types";
import { formatAmount } from "./format";
import type { Box } from "./tree";

/** Steps of the scale on either side of "the same". */
export const DIFF_STEPS = 5;
export const DIFF_SHADES = DIFF_STEPS * 2 + 1;
const CHANGED = 4; // flag of a box that differs by more than chance
/** What may be chance keeps near the middle of the scale. */
const DOUBTED = 0.25;
const ONLY_BASE = 2147483648;

/** The functions of the two are numbered together: the target's number where it has it. */
export function rowId(row: DiffRow): number {
  return row.target_id ?? ONLY_BASE + (row.base_id ?? 0);
}

/** -1 = only the base has it, 1 = only the target. */
function lean(base: number, width: number): number {
  return width > 0 ? 1 - (2 * base) / width : 0;
}

export function shadeFor(base: number, width: number, isSure: boolean): number {
  const by = lean(base, width) * (isSure ? 1 : DOUBTED);
  // A fifth more or less is seen already: the scale is steep at its middle.
  const size = Math.sqrt(Math.abs(by));
  return DIFF_STEPS + Math.round(Math.sign(by) * size * DIFF_STEPS);
}

/** Gives each box the colour of its change; `hits` dims the rest. */
export function tintRows(flame: Flame, hits: Uint8Array | null): FlameRow[] {
  const isTested = flame.head.is_tested ?? false;
  return flame.rows.map((row) => {
    const tint = new Uint32Array(row.fn.length);
    for (let i = 0; i < tint.length; i++) {
      const isSure = !isTested || ((row.flags?.[i] ?? 0) & CHANGED) !== 0;
      const shade = shadeFor(row.base?.[i] ?? 0, (row.x1[i] as number) - (row.x0[i] as number), isSure);
      tint[i] = shade + (hits && hits[row.fn[i] as number] !== 1 ? DIFF_SHADES : 0);
    }
    return { ...row, tint };
  });
}

export interface Change {
  base: number;
  target: number;
  isSure: boolean;
}

/** What a box holds of each, in the unit. */
export function changeOf(flame: Flame, box: Box): Change {
  const row = flame.rows[box.depth];
  const width = (row?.x1[box.index] ?? 0) - (row?.x0[box.index] ?? 0);
  const base = row?.base?.[box.index] ?? 0;
  const { scale, is_tested } = flame.head;
  return { base: base * scale, target: (width - base) * scale, isSure: !is_tested || ((row?.flags?.[box.index] ?? 0) & CHANGED) !== 0 };
}

/** "+12.0 %", "new", "gone", "±0". */
export function relativeText(base: number, target: number): string {
  if (base === target) return "±0";
  if (base === 0) return "new";
  if (target === 0) return "gone";
  const by = (target / base - 1) * 100;
  const size = Math.abs(by);
  const digits = size < 10 ? 2 : size < 99.95 ? 1 : 0;
  return size >= 100_000 ? `×${Math.round(target / base)}` : `${by < 0 ? "−" : "+"}${size.toFixed(digits)} %`;
}

export function changeText(change: number, unit: string): string {
  return change === 0 ? "±0" : `${change < 0 ? "−" : "+"}${formatAmount(Math.abs(change), unit)}`;
}

export function sureText(n: DiffNumber): string {
  if (n.q === undefined) return "";
  return n.q < 0.001 ? "<0.001" : n.q.toFixed(3);
}

/** One sentence about the whole. */
export function verdict(d: DiffAnswer): string {
  const parts: string[] = [];
  const { base, target, unit = "", counts } = d;
  if (base && target) parts.push(`${formatAmount(base.total, unit)} → ${formatAmount(target.total, unit)} (${relativeText(base.total, target.total)})`);
  const worst = d.functions.find((f) => f.is_regression);
  parts.push(counts.regressions === 0 ? "no regressions" : `${counts.regressions} ${counts.regressions === 1 ? "regression" : "regressions"}`);
  if (worst && d.normalise !== "ncalls") {
    const n = worst.self.change >= worst.total.change ? worst.self : worst.total;
    parts.push(`most in ${worst.name}: ${changeText(n.change, unit)}`);
  }
  return parts.join("; ");
}
