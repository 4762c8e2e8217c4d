import type { SeriesData, SpanData } from "../api/types";
import type { PlotLine, PlotScene, PlotSpan } from "../canvas/plot_painter";
import { safeName } from "../canvas/text";
import { formatAmount, formatBytes, formatClock, formatSeconds, significant } from "../model/format";
import type { PlotData } from "./time_plot";
import { valueAt } from "./time_plot";
import type { Shared } from "./view";

export function isBytes(series: SeriesData): boolean {
  return series.unit === "bytes" || series.unit === "B";
}

export function isPercent(series: SeriesData): boolean {
  return series.unit === "percent" || series.unit === "%";
}

const WORDS: Record<string, string> = {
  rss: "RSS",
  pss: "PSS",
  uss: "USS",
  swap: "swap",
  heap: "heap in use",
  pymalloc_arenas: "pymalloc arenas",
  cpu: "CPU",
  threads: "threads",
};

/** Each quantity has its colour everywhere; what we do not know takes what is left. */
const COLOURS: Record<string, number> = { rss: 0, cpu: 1, heap: 2, swap: 3, pss: 4, uss: 5, threads: 6 };
const MOST_ROWS = 12;
const ORDER = ["rss", "heap", "pss", "uss", "swap", "cpu", "threads"];

export function seriesColour(series: SeriesData, index: number, plot: readonly string[]): string {
  const isOfTree = series.process === null || series.process === undefined;
  const fixed = COLOURS[series.name];
  return plot[(isOfTree && fixed !== undefined ? fixed : index) % plot.length] ?? "";
}

/** The tree before its processes, the usual quantities before others. */
export function seriesOrder(a: SeriesData, b: SeriesData): number {
  const rank = (s: SeriesData) => {
    const at = ORDER.indexOf(s.name);
    return (s.process === null || s.process === undefined ? 0 : 1000 * (1 + s.process)) + (at < 0 ? ORDER.length : at);
  };
  return rank(a) - rank(b);
}

export function seriesTitle(series: SeriesData, shared: Shared): string {
  const name = WORDS[series.name] ?? safeName(series.name);
  if (series.process === null || series.process === undefined) return name;
  const process = shared.profile.processes.find((p) => p.index === series.process);
  return `${name}, pid ${process?.pid ?? series.process}`;
}

/** The largest point of a series, from the buckets' maxima where points stand for buckets. */
export function peakOf(series: SeriesData): { t: number; v: number } | null {
  const values = series.max ?? series.v;
  let best = -1;
  for (let i = 0; i < values.length; i++)
    if (best < 0 || (values[i] as number) > (values[best] as number)) best = i;
  return best >= 0 ? { t: series.t[best] ?? 0, v: values[best] as number } : null;
}

/** Seconds on an axis: short runs in seconds, long ones as a clock. */
export function axisTime(seconds: number, all: number): string {
  if (all < 0.1) return formatSeconds(seconds);
  if (all < 120) return `${Number(seconds.toFixed(all < 2 ? 2 : all < 20 ? 1 : 0))} s`;
  return formatClock(seconds);
}

/** A moment as a person chose it: finer than the axis. */
export function momentTime(seconds: number, all: number): string {
  return all < 120 ? axisTime(seconds, all / 10) : formatClock(seconds);
}

export interface PlotChoice {
  series: SeriesData;
  colour: string;
}

/** Bytes on the left axis, everything else on the right. */
export function plotOf(
  shared: Shared,
  chosen: readonly PlotChoice[],
  range: { from: number; to: number },
  headRoom = 6,
): PlotData {
  const { tokens, state } = shared;
  const hasBytes = chosen.some((c) => isBytes(c.series));
  const onLeft = (s: SeriesData) => (hasBytes ? isBytes(s) : true);
  const first = chosen.find((c) => onLeft(c.series));
  const lines: PlotLine[] = chosen.map(({ series, colour }) => ({
    t: series.t,
    v: series.v,
    min: series.min,
    max: series.max,
    colour,
    isArea: series === first?.series,
    axis: onLeft(series) ? "left" : "right",
  }));
  const spans: PlotSpan[] = [];
  const collections: PlotScene["collections"][number][] = [];
  for (const s of shared.spans) {
    const generation = collectionOf(s);
    if (generation !== null) collections.push({ t: s.begin_s, generation });
    else spans.push({ from: s.begin_s, to: s.end_s ?? range.to, name: safeName(s.name).slice(0, 200), level: s.level });
  }
  const peak = first && hasBytes ? peakOf(first.series) : null;
  const right = chosen.find((c) => !onLeft(c.series));
  const all = range.to - range.from;
  const scene: PlotScene = {
    lines,
    spans,
    hasNames: true,
    collections,
    marks: shared.alerts.map((alert) => alert.at_s),
    bands: [],
    slope: null,
    peak: peak ? { ...peak, hasLines: false, label: `peak ${formatBytes(peak.v)}` } : null,
    from: range.from,
    to: range.to,
    isBytes: hasBytes,
    left: (v) => formatAmount(v, first?.series.unit ?? "").replace(/\.0+ /, " "),
    right: right ? (v) => (isPercent(right.series) ? `${significant(v)} %` : formatAmount(v, right.series.unit)) : null,
    time: (t) => axisTime(t, all),
    rightAtLeast: right && isPercent(right.series) ? 100 : 0,
    headRoom,
  };
  return {
    scene,
    tokens,
    window: { from: state.from, to: state.to },
    readAt(seconds) {
      const rows: [string, ...string[]][] = [];
      for (const { series } of chosen) {
        const value = valueAt(series, seconds);
        rows.push([seriesTitle(series, shared), value === null ? "–" : formatAmount(value, series.unit)]);
      }
      for (const span of shared.spans)
        if (span.begin_s <= seconds && (span.end_s ?? range.to) >= seconds && rows.length < MOST_ROWS)
          rows.push([`in ${safeName(span.name).slice(0, 60)}`, formatSeconds((span.end_s ?? range.to) - span.begin_s)]);
      const near = all / 150;
      for (const alert of shared.alerts)
        if (Math.abs(alert.at_s - seconds) <= near && rows.length < MOST_ROWS) rows.push([`▼ ${safeName(alert.text).slice(0, 90)}`, ""]);
      return { title: `at ${momentTime(seconds, all)}`, rows };
    },
  };
}

/** The collector's spans for collections of garbage (docs/memory.md); null for any other. */
export function collectionOf(span: SpanData): number | null {
  const found = /^GC generation (\d)$/.exec(span.name);
  return found ? Number(found[1]) : null;
}

export function plotRange(shared: Shared): { from: number; to: number } {
  return { from: 0, to: Math.max(shared.profile.duration_s, 0.001) };
}
