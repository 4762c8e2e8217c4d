import type { Flame } from "../api/types";
import { formatAmount, formatPercent, formatPlace, isTimeUnit } from "./format";
import {
  heatSlot,
  packagesOf,
  shadeOf,
  KINDS,
  SLOT_KINDS,
  SYNTHETIC,
  TASK,
  SLOT_ROOT,
  type ColourMode,
  type PackageColours,
} from "./palette";
import { ROOT, sumFunctions, widthOf, type Box, type FunctionSums } from "./tree";

const SHADES = 4;

/** A flame graph with what the views ask of it again and again, worked out once. */
export class FlameModel {
  readonly whole: number;
  private readonly positions = new Map<number, number>();
  private readonly packages: string[];
  private sums: FunctionSums | null = null;

  /** `isPreview`: boxes that nobody can see are not there yet, so sums of functions are not known. */
  constructor(
    readonly flame: Flame,
    readonly isPreview = false,
  ) {
    this.whole = widthOf(flame, ROOT) || 1;
    const { id } = flame.head.functions;
    for (let i = 0; i < id.length; i++) this.positions.set(id[i] as number, i);
    this.packages = packagesOf(flame.head);
  }

  get isEmpty(): boolean {
    return this.flame.rows.length < 2 || this.flame.head.total <= 0;
  }

  /** Position in head.functions of a stable id; -1 when it has no box here. */
  positionOf(id: number): number {
    return this.positions.get(id) ?? -1;
  }

  idOf(fn: number): number {
    return this.flame.head.functions.id[fn] ?? 0;
  }

  name(fn: number): string {
    return this.flame.head.functions.name[fn] || "(unnamed)";
  }

  file(fn: number): string {
    return this.flame.head.files[this.flame.head.functions.file[fn] ?? 0] ?? "";
  }

  line(fn: number): number {
    return this.flame.head.functions.line[fn] ?? 0;
  }

  kind(fn: number): number {
    return this.flame.head.functions.kind[fn] ?? 0;
  }

  module(fn: number): string {
    return this.flame.head.modules[this.flame.head.functions.module[fn] ?? 0] ?? "";
  }

  package(fn: number): string {
    return this.packages[fn] ?? "";
  }

  place(fn: number): string {
    return formatPlace(this.file(fn), this.line(fn));
  }

  /** Self and total of every function over the whole graph. */
  functionSums(): FunctionSums {
    this.sums ??= sumFunctions(this.flame, ROOT);
    return this.sums;
  }

  /** Positions of the functions with the most self time, the most first. */
  hottest(most: number): number[] {
    const { self } = this.functionSums();
    return [...self.keys()]
      .filter((fn) => (self[fn] as number) > 0 && this.kind(fn) !== SYNTHETIC)
      .sort((a, b) => (self[b] as number) - (self[a] as number))
      .slice(0, most);
  }

  amount(width: number): number {
    return width * this.flame.head.scale;
  }

  share(width: number): number {
    return width / this.whole;
  }

  samples(width: number): number {
    return (width / this.whole) * this.flame.head.samples;
  }

  /** "1.20 s" */
  amountText(width: number): string {
    return formatAmount(this.amount(width), this.flame.head.unit);
  }

  shareText(width: number): string {
    return formatPercent(this.share(width));
  }

  get hasTime(): boolean {
    return isTimeUnit(this.flame.head.unit);
  }

  /** Time of each package's own functions ("self"), or the room its boxes take ("total"). */
  packageWeights(what: "self" | "total"): Map<string, number> {
    const sums = this.functionSums()[what];
    const weights = new Map<string, number>();
    for (let fn = 0; fn < sums.length; fn++) {
      const name = this.packages[fn] as string;
      if (this.kind(fn) < SYNTHETIC) weights.set(name, (weights.get(name) ?? 0) + (sums[fn] as number));
    }
    return weights;
  }

  /** For each function: slot * SHADES + shade. */
  colourSlots(mode: ColourMode, colours: PackageColours): Uint16Array {
    const count = this.flame.head.functions.id.length;
    const slots = new Uint16Array(count);
    const root = this.flame.rows[0]?.fn[0] ?? -1;
    const { self } = this.functionSums();
    let hottest = 0;
    if (mode === "self") for (const amount of self) hottest = Math.max(hottest, amount);
    for (let fn = 0; fn < count; fn++) {
      let slot: number;
      if (fn === root) slot = SLOT_ROOT;
      else if (mode === "kind") slot = SLOT_KINDS + Math.min(this.kind(fn), KINDS.length - 1);
      else if (mode === "self") slot = heatSlot(hottest ? (self[fn] as number) / hottest : 0);
      else if (this.kind(fn) === SYNTHETIC) slot = SLOT_ROOT;
      else if (this.kind(fn) === TASK) slot = SLOT_KINDS + TASK;
      else slot = colours.slotOf(this.packages[fn] as string);
      const shade = mode === "self" || fn === root ? 0 : shadeOf(this.name(fn));
      slots[fn] = slot * SHADES + shade;
    }
    return slots;
  }
}

/** Which box the arrow keys lead to. */
export function neighbour(
  flame: Flame,
  box: Box,
  towards: "in" | "out" | "previous" | "next",
): Box | null {
  const row = flame.rows[box.depth];
  if (!row) return null;
  if (towards === "previous" || towards === "next") {
    const index = box.index + (towards === "next" ? 1 : -1);
    return index >= 0 && index < row.x0.length ? { depth: box.depth, index } : null;
  }
  const other = flame.rows[box.depth + (towards === "in" ? 1 : -1)];
  if (!other) return null;
  const x0 = row.x0[box.index] as number;
  const x1 = row.x1[box.index] as number;
  let best = -1;
  let bestWidth = -1;
  // The widest child, or the one parent; rows are sorted, so a child is found by halving.
  let lo = 0;
  let hi = other.x1.length;
  while (lo < hi) {
    const mid = (lo + hi) >>> 1;
    if ((other.x1[mid] as number) > x0) hi = mid;
    else lo = mid + 1;
  }
  for (let i = lo; i < other.x0.length && (other.x0[i] as number) < x1; i++) {
    const width = (other.x1[i] as number) - (other.x0[i] as number);
    if (width > bestWidth) {
      best = i;
      bestWidth = width;
    }
  }
  return best >= 0 ? { depth: box.depth + (towards === "in" ? 1 : -1), index: best } : null;
}
