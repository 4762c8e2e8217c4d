/** Arithmetic of the memory view; no DOM. */

import type { Profile, SeriesData } from "../api/types";
import type { Measure, ViewState } from "../state/url";
import { lastNotAfter } from "../canvas/scale";
import { formatBytes } from "./format";

/** Values that a moment is a question about (docs/memory.md). */
const HEAP_KEY = /^(heap\.)?(in_use|leaked|peak|allocated|allocations|freed|frees|temporary|temporaries)$/;

export function isHeapKey(key: string): boolean {
  return HEAP_KEY.test(key);
}

/** Whether allocations were followed over time: what was alive at any moment is known. */
export function hasHeap(profile: Profile): boolean {
  return profile.values.some((v) => v.set === "heap" && v.name === "leaked");
}

/** Mean distance of sampled allocations, the longest of the run; 0 = every one was followed. */
export function sampleStep(profile: Profile): number {
  const step = Math.max(profile.counters["heap_every_bytes_most"] ?? 0, profile.counters["heap_every_bytes"] ?? 0);
  return step > 1 ? step : 0;
}

/** The most that the standard error of an estimate can be (docs/memory.md); "" when it is none. */
export function errorText(bytes: number, step: number): string {
  return step > 0 && bytes !== 0 ? `± ${formatBytes(Math.sqrt(Math.abs(bytes) * step))}` : "";
}

/** Two moments ask what changed, one what was there; of a whole run that has ended, the peak tells most. */
export function measureOf(state: ViewState, profile: Profile): Exclude<Measure, ""> {
  if (state.measure && (state.measure !== "grown" || state.base !== null)) return state.measure;
  if (state.base !== null) return "grown";
  return state.at === null && state.from === null && state.to === null && profile.state !== "live" ? "peak" : "in_use";
}

const MOMENTS = 240;

/**
 * Theil and Sen's slope, bytes a second: the median over pairs of moments. A single peak does not
 * turn it, as it does a least-squares line. The moments are evenly apart, not the points: of what
 * is written down when it changes, most points lie where it changes. Null for fewer than three
 * points.
 */
export function robustSlope(series: SeriesData, from: number, to: number): { perSecond: number; atZero: number } | null {
  const first = Math.max(0, lastNotAfter(series.t, from));
  const last = lastNotAfter(series.t, to);
  if (last - first < 2) return null;
  const begin = Math.max(from, series.t[first] as number);
  const t: number[] = [];
  const v: number[] = [];
  for (let i = 0; i < MOMENTS; i++) {
    const at = begin + ((to - begin) * i) / (MOMENTS - 1);
    t.push(at);
    v.push(series.v[Math.max(first, lastNotAfter(series.t, at))] as number);
  }
  const slopes: number[] = [];
  for (let i = 0; i < t.length; i++)
    for (let k = i + 1; k < t.length; k++) {
      const dt = (t[k] as number) - (t[i] as number);
      if (dt > 0) slopes.push(((v[k] as number) - (v[i] as number)) / dt);
    }
  if (!slopes.length) return null;
  const perSecond = median(slopes);
  return { perSecond, atZero: median(v.map((y, i) => y - perSecond * (t[i] as number))) };
}

export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort(); // without a call for each pair of them
  const half = sorted.length >> 1;
  return sorted.length % 2 ? (sorted[half] as number) : ((sorted[half - 1] as number) + (sorted[half] as number)) / 2;
}

export interface HistogramBar {
  below: number;
  from: number;
  count: number;
}

/** The counters "heap_size_below_16", ...: one bar for each power of two, empty ones between too. */
export function histogram(counters: Readonly<Record<string, number>>, prefix: string): HistogramBar[] {
  const bars = new Map<number, number>();
  for (const [name, count] of Object.entries(counters)) {
    if (!name.startsWith(`${prefix}_`)) continue;
    const below = Number(name.slice(prefix.length + 1));
    if (Number.isFinite(below) && below > 0) bars.set(below, count);
  }
  const ends = [...bars.keys()].filter((below) => (bars.get(below) ?? 0) > 0).sort((a, b) => a - b);
  const list: HistogramBar[] = [];
  const last = ends[ends.length - 1] ?? 0;
  for (let below = ends[0] ?? Infinity; below <= last; below *= 2)
    list.push({ below, from: below > 1 ? below / 2 : 0, count: bars.get(below) ?? 0 });
  return list;
}

/**
 * Of a program that has ended, the heap is told up to the last moment its process was seen: what is
 * freed while the interpreter is taken down says nothing about the program, and RSS does not show it.
 */
export function endTogether(all: readonly SeriesData[]): SeriesData[] {
  return all.map((s) => {
    const rss = s.name === "heap" ? all.find((o) => o.name === "rss" && (o.process ?? null) === (s.process ?? null)) : undefined;
    const end = rss?.t[rss.t.length - 1];
    const last = end === undefined ? -1 : lastNotAfter(s.t, end);
    if (end === undefined || last < 0 || last === s.t.length - 1) return s;
    const upTo = (column: ArrayLike<number>) => [...Array.from(column).slice(0, last + 1), column[last] as number];
    const cut: SeriesData = { ...s, t: [...Array.from(s.t).slice(0, last + 1), end], v: upTo(s.v) };
    if (s.min) cut.min = upTo(s.min);
    if (s.max) cut.max = upTo(s.max);
    return cut;
  });
}

/** What RSS has over the heap at the points of RSS; never less than nothing. */
export function beyond(rss: SeriesData, heap: SeriesData): { t: number[]; low: number[]; high: number[] } {
  const t: number[] = [];
  const low: number[] = [];
  const high: number[] = [];
  const start = heap.t[0] ?? Infinity;
  for (let i = 0; i < rss.t.length; i++) {
    const at = rss.t[i] as number;
    const k = lastNotAfter(heap.t, at);
    if (at < start || k < 0) continue;
    const top = rss.v[i] as number;
    t.push(at);
    high.push(top);
    low.push(Math.min(top, heap.v[k] as number));
  }
  return { t, low, high };
}
