import type { SeriesData } from "../api/types";
import { formatAmount, formatBytes } from "../model/format";
import { valueMeaning, valueTitle } from "../model/values";
import { el, fill } from "../widgets/dom";
import { stateCard } from "../widgets/notice";
import { isBytes, momentTime, peakOf, plotOf, plotRange, seriesColour, seriesOrder, seriesTitle, type PlotChoice } from "./series_plot";
import { TimePlot, valueAt } from "./time_plot";
import type { Actions, Shared, View } from "./view";

const FEW_KEYS = 4;
/** Heap values in the order of the questions: who has it, who keeps it, who takes it. */
const HELD = ["in_use", "leaked", "peak", "allocated", "freed"];

/** Every series there is: of the tree and of each process, to be switched on and off. */
export class MemoryView implements View {
  readonly element = el("div", { class: "view" });
  private readonly plot: TimePlot;
  private readonly numbers = el("dl", { class: "memory-numbers" });
  private readonly keys = el("div", { class: "memory-keys", role: "group", "aria-label": "Series shown" });
  private readonly holders = el("div", { class: "memory-holders", role: "group", "aria-label": "Which functions hold the memory", hidden: true });
  private readonly body: HTMLElement;
  private readonly message = el("div", { class: "stage", hidden: true });
  private readonly table = el("div", { class: "unseen" });
  /** What the person switched; everything else follows the usual choice. */
  private readonly switched = new Map<string, boolean>();
  private keysKey = "";
  private holdersKey = "";
  private shared: Shared | null = null;

  constructor(private readonly actions: Actions) {
    this.plot = new TimePlot("Memory over time", { brush: (from, to) => actions.change({ from, to }) });
    this.body = el("div", { class: "memory-view" }, this.numbers, this.holders, this.plot.element, this.keys);
    this.element.append(el("div", { class: "stage" }, this.body, this.message, this.table));
  }

  update(shared: Shared): void {
    this.shared = shared;
    const series = shared.allSeries ? withoutEchoes(shared.allSeries).sort(seriesOrder) : null;
    const isEmpty = !series || series.length === 0;
    this.message.hidden = !isEmpty;
    this.body.hidden = isEmpty;
    if (isEmpty) {
      fill(this.message, emptyCard(shared));
      return;
    }
    const colours = shared.tokens.plot;
    const all: (PlotChoice & { key: string; isOn: boolean })[] = series.map((s, i) => {
      const key = `${s.name}/${s.process ?? ""}`;
      return { series: s, colour: seriesColour(s, i, colours), key, isOn: this.switched.get(key) ?? isUsual(s, series) };
    });
    const shown = all.filter((c) => c.isOn);
    this.plot.update(plotOf(shared, shown, plotRange(shared)));
    this.updateKeys(all, shared);
    this.updateNumbers(shown, shared);
    this.updateHolders(shared);
  }

  /** From when to who: one click opens the flame graph of this window's memory. */
  private updateHolders(shared: Shared): void {
    const { state, profile } = shared;
    const known = HELD.flatMap((name) => profile.values.find((v) => v.set === "heap" && v.name === name) ?? []);
    const all = profile.duration_s;
    const where =
      state.from === null && state.to === null
        ? "Of the whole run, by function; drag over the plot for a part of it:"
        : `From ${momentTime(state.from ?? 0, all)} to ${momentTime(state.to ?? all, all)}, by function:`;
    const key = `${where}${known.map((v) => v.key).join()}`;
    this.holders.hidden = known.length === 0;
    if (key === this.holdersKey) return;
    this.holdersKey = key;
    fill(
      this.holders,
      el("span", { class: "hint" }, where),
      el(
        "span",
        { class: "links" },
        ...known.map((v) => {
          const button = el("button", { class: "button", type: "button", title: `${valueMeaning(v)} Opens the flame graph.` }, valueTitle(v));
          button.addEventListener("click", () => this.actions.change({ view: "flame", value: v.key, root: [] }));
          return button;
        }),
      ),
    );
  }

  destroy(): void {
    this.plot.destroy();
  }

  picture(): HTMLCanvasElement {
    return this.plot.picture();
  }

  private updateKeys(all: (PlotChoice & { key: string; isOn: boolean })[], shared: Shared): void {
    const key = all.map((c) => `${c.key}${c.isOn}${c.colour}`).join("|");
    if (key === this.keysKey) return;
    this.keysKey = key;
    const focused = (document.activeElement as HTMLElement | null)?.dataset["key"];
    const isOpen = this.keys.querySelector("details")?.open ?? false;
    const label = (c: (typeof all)[number]) => {
      const box = el("input", { type: "checkbox", "data-key": c.key });
      box.checked = c.isOn;
      box.addEventListener("change", () => {
        this.switched.set(c.key, box.checked);
        if (this.shared) this.update(this.shared);
      });
      const swatch = el("span", { class: "swatch" });
      swatch.style.background = c.colour;
      return el("label", {}, box, swatch, seriesTitle(c.series, shared));
    };
    const near = all.filter((c) => isOfTree(c.series));
    const far = all.filter((c) => !isOfTree(c.series));
    const isFew = far.length <= FEW_KEYS || near.length === 0;
    const details = isFew
      ? null
      : el("details", {}, el("summary", {}, `Of each process (${far.length})`), ...far.map(label));
    if (details) details.open = isOpen;
    fill(this.keys, ...near.map(label), ...(isFew ? far.map(label) : [details]));
    if (focused) this.keys.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  private updateNumbers(shown: PlotChoice[], shared: Shared): void {
    const main = shown.find((c) => isBytes(c.series))?.series;
    const parts: HTMLElement[] = [];
    const add = (title: string, text: string) =>
      parts.push(el("div", {}, el("dt", {}, title), el("dd", {}, text)));
    if (main) {
      const { from, to } = shared.state;
      const all = shared.profile.duration_s;
      const peak = peakOf(main);
      const last = main.v[main.v.length - 1];
      if (peak) add(`peak, at ${momentTime(peak.t, all)}`, formatBytes(peak.v));
      if (last !== undefined) add(shared.profile.state === "live" ? "now" : "at the end", formatBytes(last));
      const begin = valueAt(main, from ?? main.t[0] ?? 0);
      const end = valueAt(main, to ?? all);
      const span = (to ?? all) - (from ?? main.t[0] ?? 0);
      if (begin !== null && end !== null) {
        const growth = end - begin;
        add(
          from !== null || to !== null ? "change in the window" : "change",
          `${growth >= 0 ? "+" : ""}${formatBytes(growth)}`,
        );
        if (span > 0.5) add("slope", `${formatBytes(growth / span)}/s`);
      }
    }
    fill(this.numbers, ...parts);
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

/** Of one process alone, what the tree says too is not said again. */
function withoutEchoes(all: readonly SeriesData[]): SeriesData[] {
  const processes = new Set(all.filter((s) => !isOfTree(s)).map((s) => s.process));
  if (processes.size > 1) return [...all];
  const known = new Set(all.filter(isOfTree).map((s) => s.name));
  return all.filter((s) => isOfTree(s) || !known.has(s.name));
}

/** Bytes of the whole tree; of each process where there is no tree. */
function isUsual(series: SeriesData, all: readonly SeriesData[]): boolean {
  const hasTree = all.some((s) => isOfTree(s) && isBytes(s));
  if (!all.some(isBytes)) return true;
  return isBytes(series) && series.name !== "swap" && (!hasTree || isOfTree(series));
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
