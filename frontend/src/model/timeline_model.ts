import type { Flame, FlameRow, TimeLane, TimeWindow } from "../api/types";
import { formatPlace } from "./format";
import { KINDS, packagesOf, shadeOf, SLOT_HEAT, SLOT_KINDS, SLOT_ROOT, SYNTHETIC, type ColourMode, type PackageColours } from "./palette";

const NS = 1e9;
const SHADES = 4;
/** A detail is asked for this much wider than what is in sight, so that panning stays sharp. */
const MARGIN = 0.5;
/** Boxes that share one are told apart from this many pixels of the cutoff on. */
const SHARP = 0.6;

export interface TimeRange {
  from: number;
  to: number;
}

/** The stacks of each thread in order of time. Rows of all lanes follow each other, a blank between. */
export class TimelineModel {
  readonly from: number;
  readonly to: number;
  /** Seconds below which boxes share one; 0 = none did. */
  readonly cutoff: number;
  readonly lanes: { lane: TimeLane; row: number; rows: number }[] = [];
  readonly rows: FlameRow[] = [];
  /** From here on a function position means a lane. */
  readonly laneBase: number;
  private packageNames: string[] | null = null;

  constructor(readonly flame: Flame) {
    const { head } = flame;
    this.from = head.from_s;
    this.to = head.to_s;
    this.cutoff = (head.cutoff ?? 0) / NS;
    this.laneBase = head.functions.id.length;
    const blank = { x0: new Uint32Array(), x1: new Uint32Array(), fn: new Uint32Array(), flags: null };
    let at = 0;
    for (const [index, lane] of (head.lanes ?? []).entries()) {
      if (index > 0) this.rows.push(blank);
      this.lanes.push({ lane, row: this.rows.length, rows: lane.rows });
      flame.rows.slice(at, at + lane.rows).forEach((row, depth) => {
        const fn = depth === 0 ? new Uint32Array(row.fn.length).fill(this.laneBase + index) : row.fn;
        this.rows.push({ ...row, fn });
      });
      at += lane.rows;
    }
  }

  get isEmpty(): boolean {
    return this.lanes.length === 0;
  }

  /** Seconds of session time -> the columns' own steps, and back. */
  toStep(seconds: number): number {
    return ((seconds - this.from) * NS) / this.flame.head.scale;
  }

  toSeconds(step: number): number {
    return this.from + (step * this.flame.head.scale) / NS;
  }

  idOf(fn: number): number {
    return this.flame.head.functions.id[fn] ?? -1;
  }

  name(fn: number): string {
    return this.flame.head.functions.name[fn] || "(unnamed)";
  }

  place(fn: number): string {
    const { functions, files } = this.flame.head;
    return formatPlace(files[functions.file[fn] ?? 0] ?? "", functions.line[fn] ?? 0);
  }

  /** The room that each package's boxes take. */
  packageWeights(): Map<string, number> {
    const weights = new Map<string, number>();
    const widths = new Float64Array(this.laneBase);
    for (const { fn, x0, x1 } of this.flame.rows)
      for (let i = 0; i < fn.length; i++)
        widths[fn[i] as number] = (widths[fn[i] as number] as number) + ((x1[i] as number) - (x0[i] as number));
    this.packages().forEach((name, fn) => {
      if (fn > 0) weights.set(name, (weights.get(name) ?? 0) + (widths[fn] as number));
    });
    return weights;
  }

  /** For each function and lane: slot * SHADES + shade; `heat` tells the slots of self time. */
  colourSlots(mode: ColourMode, colours: PackageColours, heat: (id: number) => number | null): Uint16Array {
    const slots = new Uint16Array(this.laneBase + this.lanes.length).fill(SLOT_ROOT * SHADES);
    const { kind } = this.flame.head.functions;
    const packages = this.packages();
    for (let fn = 1; fn < this.laneBase; fn++) {
      if (mode === "self") {
        slots[fn] = heat(this.idOf(fn)) ?? SLOT_HEAT * SHADES;
        continue;
      }
      const slot =
        mode === "kind"
          ? SLOT_KINDS + Math.min(kind[fn] ?? 0, KINDS.length - 1)
          : kind[fn] === SYNTHETIC
            ? SLOT_ROOT
            : colours.slotOf(packages[fn] ?? "");
      slots[fn] = slot * SHADES + shadeOf(this.name(fn));
    }
    return slots;
  }

  private packages(): string[] {
    this.packageNames ??= packagesOf(this.flame.head);
    return this.packageNames;
  }

  /** Which lane a row is of; null for the blank between two. */
  laneOfRow(row: number): number | null {
    const index = this.lanes.findIndex((l) => row >= l.row && row < l.row + l.rows);
    return index >= 0 ? index : null;
  }
}

/** What to ask for so that what is in sight is sharp; null when it is, or nothing finer exists. */
export function detailWindow(
  whole: TimelineModel | null,
  detail: TimelineModel | null,
  sight: readonly [number, number] | null,
): TimeWindow | null {
  if (!whole || !sight || whole.cutoff === 0) return null;
  const [from, to] = sight;
  const span = to - from;
  const pixel = span / ((whole.to - whole.from) / whole.cutoff);
  if (pixel > whole.cutoff * SHARP) return null;
  if (detail && detail.from <= from && detail.to >= to && detail.cutoff <= pixel / SHARP)
    return { from: detail.from, to: detail.to };
  return { from: Math.max(whole.from, from - span * MARGIN), to: Math.min(whole.to, to + span * MARGIN) };
}

/** The finest model that shows all that is in sight. */
export function sharpest(whole: TimelineModel, detail: TimelineModel | null, sight: TimeRange): TimelineModel {
  const reach = (sight.to - sight.from) * 1e-6;
  return detail && detail.from <= sight.from + reach && detail.to >= sight.to - reach ? detail : whole;
}
