import type { SeriesData } from "../api/types";
import { formatAmount, formatBytes, significant } from "../model/format";
import { beyond, hasHeap, endTogether, robustSlope } from "../model/memory";
import { el, fill } from "../widgets/dom";
import { stateCard } from "../widgets/notice";
import { MemoryFindings } from "./memory_findings";
import { MemoryPlaces } from "./memory_places";
import { collectionOf, isBytes, momentTime, peakOf, plotOf, plotRange, seriesColour, seriesOrder, seriesTitle, type PlotChoice } from "./series_plot";
import { TimePlot, valueAt } from "./time_plot";
import type { Actions, Shared, View } from "./view";

const FEW_KEYS = 4;
const MIB = 2 ** 20;
/** What changes by less of itself in the whole of the time neither grows nor shrinks. */
const FLAT_SHARE = 0.01;
/** Below this a whole run has no slope worth a number: it begins, works and ends. */
const SLOPE_FROM_S = 10;
const SLOPE_PER_MINUTE_FROM_S = 60;

interface Key extends PlotChoice {
  key: string;
  isOn: boolean;
}

/** What the plot can show beside its series. */
const EXTRAS = ["beyond", "collections"] as const;
type Extra = (typeof EXTRAS)[number];

/** Memory over time, and below it who has it: in a window, at a moment, between two. */
export class MemoryView implements View {
  readonly element = el("div", { class: "view" });
  private readonly plot: TimePlot;
  private readonly numbers = el("dl", { class: "memory-numbers" });
  private readonly keys = el("div", { class: "memory-keys", role: "group", "aria-label": "What the plot shows" });
  private readonly places: MemoryPlaces;
  private readonly findings: MemoryFindings;
  private readonly body: HTMLElement;
  private readonly message = el("div", { class: "stage", hidden: true });
  private readonly table = el("div", { class: "unseen" });
  /** What the person switched; everything else follows the usual choice. */
  private readonly switched = new Map<string, boolean>();
  private keysKey = "";
  private numbersKey = "";
  private shared: Shared | null = null;

  constructor(private readonly actions: Actions) {
    this.plot = new TimePlot("Memory over time", {
      brush: (from, to) => actions.change({ from, to }),
      moment: (at) => {
        if (this.shared && hasHeap(this.shared.profile)) actions.change({ at });
        else actions.change({ from: null, to: null });
      },
      moveBase: (base) => actions.change({ base }),
    });
    this.places = new MemoryPlaces(actions);
    this.findings = new MemoryFindings(actions);
    this.body = el("div", { class: "memory-view" }, this.numbers, this.plot.element, this.keys, this.places.element, this.findings.element);
    this.element.append(el("div", { class: "stage" }, this.body, this.message, this.table));
  }

  update(shared: Shared): void {
    this.shared = shared;
    const told = shared.allSeries && shared.profile.state !== "live" ? endTogether(shared.allSeries) : shared.allSeries;
    const series = told ? withoutEchoes(told).sort(seriesOrder) : null;
    const isEmpty = !series || series.length === 0;
    this.message.hidden = !isEmpty;
    this.body.hidden = isEmpty;
    if (isEmpty) {
      fill(this.message, emptyCard(shared));
      return;
    }
    const colours = shared.tokens.plot;
    const all: Key[] = series.map((s, i) => {
      const key = `${s.name}/${s.process ?? ""}`;
      return { series: s, colour: seriesColour(s, i, colours), key, isOn: this.switched.get(key) ?? isUsual(s, series) };
    });
    const shown = all.filter((c) => c.isOn);
    this.body.classList.toggle("has-heap", hasHeap(shared.profile));
    this.updatePlot(shared, all, shown);
    this.updateKeys(all, shared);
    this.updateNumbers(all, shown, shared);
    this.places.update(shared);
    this.findings.update(shared);
  }

  destroy(): void {
    this.plot.destroy();
  }

  picture(): HTMLCanvasElement {
    return this.plot.picture();
  }

  /** Escape lets go of the comparison first, then of the moment. */
  stepBack(): boolean {
    const state = this.shared?.state;
    if (!state) return false;
    if (state.base !== null) this.actions.change({ base: null, measure: "" });
    else if (state.at !== null) this.actions.change({ at: null });
    else return false;
    return true;
  }

  private isExtraOn(extra: Extra): boolean {
    return this.switched.get(extra) ?? true;
  }

  private updatePlot(shared: Shared, all: readonly Key[], shown: readonly Key[]): void {
    const { state } = shared;
    // The heap is what is there to explain: it is the filled one.
    const heap = shown.find((c) => isOfTree(c.series) && c.series.name === "heap");
    const rss = shown.find((c) => isOfTree(c.series) && c.series.name === "rss");
    const data = plotOf(shared, shown, plotRange(shared));
    const { scene } = data;
    if (heap) scene.lines.forEach((line, i) => (line.isArea = shown[i] === heap));
    if (heap && rss && this.isExtraOn("beyond")) scene.bands = [{ ...beyond(rss.series, heap.series), colour: rss.colour }];
    if (!this.isExtraOn("collections")) scene.collections = [];
    if (scene.peak) scene.peak.hasLines = true;
    const main = mainOf(shown);
    const from = state.from ?? 0;
    const to = state.to ?? shared.profile.duration_s;
    const slope = main && (state.from !== null || state.to !== null) ? robustSlope(main, from, to) : null;
    if (slope) scene.slope = { from, to, atFrom: slope.atZero + slope.perSecond * from, atTo: slope.atZero + slope.perSecond * to };
    data.moments = { at: state.at, base: state.base };
    data.momentText = (seconds) => momentTime(seconds, shared.profile.duration_s);
    const peakHeap = all.find((c) => isOfTree(c.series) && c.series.name === "heap");
    if (peakHeap && heap && scene.peak) {
      const peak = peakOf(heap.series);
      if (peak) scene.peak = { ...peak, hasLines: true, label: `most in use ${formatBytes(peak.v)}` };
    }
    this.plot.update(data);
  }

  private updateKeys(all: readonly Key[], shared: Shared): void {
    const tree = (name: string) => all.some((c) => c.isOn && isOfTree(c.series) && c.series.name === name);
    const runs = shared.spans.filter((s) => collectionOf(s) !== null).length;
    const extras: [Extra, string, string][] = [];
    if (tree("rss") && tree("heap"))
      extras.push(["beyond", "RSS beyond the heap: fragmentation, arenas, mapped files", "What the process holds and the program did not ask for: fragmentation, free arena space, the interpreter, mapped files, threads' stacks"]);
    if (runs) extras.push(["collections", `GC runs (${runs})`, "Collections of garbage: ticks along the top, longer for older generations"]);
    const key = all.map((c) => `${c.key}${c.isOn}${c.colour}`).join("|") + extras.map((e) => `${e[1]}${this.isExtraOn(e[0])}`).join("|");
    if (key === this.keysKey) return;
    this.keysKey = key;
    const focused = (document.activeElement as HTMLElement | null)?.dataset["key"];
    const isOpen = this.keys.querySelector("details")?.open ?? false;
    const box = (id: string, isOn: boolean, swatch: HTMLElement, text: string, title = "") => {
      const input = el("input", { type: "checkbox", "data-key": id });
      input.checked = isOn;
      input.addEventListener("change", () => {
        this.switched.set(id, input.checked);
        if (this.shared) this.update(this.shared);
      });
      return el("label", { title }, input, swatch, text);
    };
    const label = (c: Key) => {
      const swatch = el("span", { class: "swatch" });
      swatch.style.background = c.colour;
      return box(c.key, c.isOn, swatch, seriesTitle(c.series, shared));
    };
    const near = all.filter((c) => isOfTree(c.series));
    const far = all.filter((c) => !isOfTree(c.series));
    const isFew = far.length <= FEW_KEYS || near.length === 0;
    const details = isFew ? null : el("details", {}, el("summary", {}, `Of each process (${far.length})`), ...far.map(label));
    if (details) details.open = isOpen;
    const rss = near.find((c) => c.series.name === "rss");
    fill(
      this.keys,
      ...near.map(label),
      ...extras.map(([id, text, title]) => {
        const swatch = el("span", { class: `swatch is-${id}` });
        swatch.style.color = rss?.colour ?? "";
        return box(id, this.isExtraOn(id), swatch, text, title);
      }),
      ...(isFew ? far.map(label) : [details]),
    );
    if (focused) this.keys.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  private updateNumbers(all: readonly Key[], shown: readonly Key[], shared: Shared): void {
    const parts: [title: string, text: string, peak: number | null, hint: string][] = [];
    const { from, to } = shared.state;
    const length = shared.profile.duration_s;
    const isLive = shared.profile.state === "live";
    const ofTree = (name: string) => all.find((c) => isOfTree(c.series) && c.series.name === name)?.series;
    const heap = hasHeap(shared.profile) ? ofTree("heap") : undefined;
    const main = heap ?? mainOf(shown);
    const rss = ofTree("rss");
    const addPeak = (series: SeriesData, name: string) => {
      const peak = peakOf(series);
      if (peak) parts.push([`${name}, at ${momentTime(peak.t, length)}`, formatBytes(peak.v), heap ? peak.t : null, "Show what was alive at this moment"]);
    };
    if (heap) addPeak(heap, "most in use");
    if (rss) addPeak(rss, "RSS peak");
    else if (main && !heap) addPeak(main, "peak");
    if (main) {
      const what = heap ? "in use" : seriesTitle(main, shared);
      const last = main.v[main.v.length - 1];
      if (last !== undefined) parts.push([`${what} ${isLive ? "now" : "at the end"}`, formatBytes(last), null, ""]);
      const begin = valueAt(main, from ?? main.t[0] ?? 0);
      const end = valueAt(main, to ?? length);
      const hasWindow = from !== null || to !== null;
      if (begin !== null && end !== null && (hasWindow || !heap))
        parts.push([hasWindow ? `${what}, change in the window` : `${what}, change`, `${end >= begin ? "+" : ""}${formatBytes(end - begin)}`, null, ""]);
      const span = (to ?? length) - (from ?? 0);
      const slope = hasWindow || span >= SLOPE_FROM_S ? robustSlope(main, from ?? 0, to ?? length) : null;
      if (slope) {
        // Not a minute's growth from a few seconds: the unit is one that was seen.
        const [per, unit] = span < SLOPE_PER_MINUTE_FROM_S ? [slope.perSecond / MIB, "s"] : [(slope.perSecond * 60) / MIB, "min"];
        const isFlat = Math.abs(slope.perSecond * span) < FLAT_SHARE * Math.max(...[begin, end, last].map((v) => v ?? 0));
        const words = isFlat ? "flat" : `${per >= 0 ? "+" : "−"}${significant(Math.abs(per))} MiB/${unit}`;
        parts.push([hasWindow ? "slope of the window" : "slope", words, null, "Median slope between all pairs of points: a single peak does not turn it"]);
      }
    }
    const key = JSON.stringify(parts);
    if (key !== this.numbersKey) {
      this.numbersKey = key;
      fill(
        this.numbers,
        ...parts.map(([title, text, at, hint]) => {
          const value = at === null ? text : el("button", { type: "button", class: "plain", title: hint }, text);
          if (at !== null) (value as HTMLElement).addEventListener("click", () => this.actions.change({ at, measure: "" }));
          return el("div", { title: at === null ? hint : "" }, el("dt", {}, title), el("dd", {}, value));
        }),
      );
    }
    this.updateTable(shown, shared);
  }

  /** The plot for those who do not see it. */
  private updateTable(shown: readonly Key[], shared: Shared): void {
    const body = el("tbody");
    for (const { series } of shown) {
      const peak = peakOf(series);
      body.append(
        el(
          "tr",
          {},
          el("th", { scope: "row" }, seriesTitle(series, shared)),
          el("td", {}, peak ? formatAmount(peak.v, series.unit) : "–"),
          el("td", {}, formatAmount(series.v[series.v.length - 1] ?? Number.NaN, series.unit)),
        ),
      );
    }
    const head = el("tr");
    for (const title of ["Series", "Peak", "Last"]) head.append(el("th", { scope: "col" }, title));
    fill(this.table, el("table", {}, el("caption", {}, "Series of the plot"), el("thead", {}, head), body));
  }
}

function isOfTree(series: SeriesData): boolean {
  return series.process === null || series.process === undefined;
}

function mainOf(shown: readonly PlotChoice[]): SeriesData | undefined {
  const heap = shown.find((c) => isOfTree(c.series) && c.series.name === "heap");
  return (heap ?? shown.find((c) => isBytes(c.series)))?.series;
}

/** Of one process alone, what the tree says too is not said again. */
function withoutEchoes(all: readonly SeriesData[]): SeriesData[] {
  const processes = new Set(all.filter((s) => !isOfTree(s)).map((s) => s.process));
  if (processes.size > 1) return [...all];
  const known = new Set(all.filter(isOfTree).map((s) => s.name));
  return all.filter((s) => isOfTree(s) || !known.has(s.name));
}

/** Bytes of the whole tree; of each process where there is no tree. Swap when there is any. */
function isUsual(series: SeriesData, all: readonly SeriesData[]): boolean {
  const hasTree = all.some((s) => isOfTree(s) && isBytes(s));
  if (!all.some(isBytes)) return true;
  if (series.name === "pymalloc_arenas") return false;
  if (series.name === "swap" && !(series.max ?? series.v).some((v) => v > 0)) return false;
  return isBytes(series) && (!hasTree || isOfTree(series));
}

function emptyCard(shared: Shared): HTMLElement {
  if (shared.problem) return stateCard("bad", "The series could not be read", shared.problem);
  if (shared.allSeries === null) return stateCard("loading", "Loading the series");
  return shared.profile.state === "live"
    ? stateCard("loading", "Waiting for the first measurement")
    : stateCard(
        "empty",
        "No memory in this profile",
        "This file holds time only. heliograph run follows memory and CPU beside the stacks:",
        el("code", {}, "heliograph run -- python3 app.py"),
      );
}
