import type { SeriesData } from "../api/types";
import { el, fill } from "../widgets/dom";
import { endTogether } from "../model/memory";
import { isBytes, isPercent, plotOf, plotRange, seriesColour, seriesTitle, type PlotChoice } from "./series_plot";
import { TimePlot } from "./time_plot";
import type { Actions, Shared, View } from "./view";

const KEY_ROOM = 20;

/** Memory and CPU of the whole program across the top; its window filters everything below. */
export class StripView implements View {
  readonly element = el("section", { class: "strip", "aria-label": "Memory and CPU over time" });
  private readonly plot: TimePlot;
  private readonly keys = el("div", { class: "strip-text" });
  private readonly empty = el("div", { class: "strip-empty", hidden: true });

  constructor(actions: Actions) {
    this.plot = new TimePlot("Memory and CPU over time", {
      brush: (from, to) => actions.change({ from, to }),
    });
    this.element.append(this.plot.element, this.keys, this.empty);
  }

  update(shared: Shared): void {
    const { series, profile } = shared;
    const hasTime = profile.shapes.includes("series") || (series?.length ?? 0) > 0;
    const canWindow = hasTime || (profile.shapes.includes("stacks") && profile.duration_s > 0);
    this.plot.element.hidden = !canWindow;
    this.keys.hidden = !canWindow;
    this.empty.hidden = canWindow;
    this.element.hidden = !canWindow && profile.state !== "live";
    if (!canWindow) {
      this.empty.textContent =
        profile.state === "live" ? "Waiting for the first memory measurement." : "";
      return;
    }
    const chosen = chooseStrip(profile.state === "live" ? (series ?? []) : endTogether(series ?? []), shared);
    // What is on its way has its room: nothing may move from under the pointer when it comes.
    const isExpected = series === null && profile.shapes.includes("series");
    this.element.classList.toggle("is-bare", chosen.length === 0 && !isExpected);
    const data = plotOf(shared, chosen, plotRange(shared), KEY_ROOM);
    // No room; the tooltip and the memory view tell it.
    data.scene.right = null;
    data.scene.collections = [];
    data.scene.hasNames = false;
    this.plot.update(data);
    fill(
      this.keys,
      ...chosen.map(({ series: one, colour }) => {
        const swatch = el("span", { class: "swatch" });
        swatch.style.background = colour;
        return el("span", { class: "key" }, swatch, seriesTitle(one, shared));
      }),
      series?.length || isExpected ? null : el("span", { class: "key" }, "drag to choose a window of time"),
    );
  }

  destroy(): void {
    this.plot.destroy();
  }
}

/** RSS of the tree (else the first series in bytes), heap in use, and CPU. */
function chooseStrip(series: readonly SeriesData[], shared: Shared): PlotChoice[] {
  const ofTree = series.filter((s) => s.process === null || s.process === undefined);
  const pool = ofTree.length ? ofTree : series;
  const memory = pool.find((s) => s.name === "rss") ?? pool.find(isBytes) ?? pool[0];
  const heap = pool.find((s) => s.name === "heap");
  const cpu = pool.find((s) => s.name === "cpu") ?? pool.find(isPercent);
  const chosen = [memory, heap === memory ? undefined : heap, cpu === memory ? undefined : cpu];
  return chosen
    .filter((s) => s !== undefined)
    .map((s, i) => ({ series: s, colour: seriesColour(s, i, shared.tokens.plot) }));
}
