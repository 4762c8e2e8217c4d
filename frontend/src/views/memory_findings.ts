import type { Leak, Leaks } from "../api/types";
import { safeName } from "../canvas/text";
import { formatBytes, formatCount, formatPlace, formatShort, significant } from "../model/format";
import { hasHeap, histogram, type HistogramBar } from "../model/memory";
import { el, fill } from "../widgets/dom";
import { momentTime } from "./series_plot";
import type { Actions, Shared } from "./view";

const MOST_LEAKS = 12;
const SPARK = { width: 96, height: 24 };
const SVG = "http://www.w3.org/2000/svg";

/** What may leak, and how large and how long-lived the blocks are. */
export class MemoryFindings {
  readonly element = el("div", { class: "memory-findings", hidden: true });
  private readonly leaks = el("section", { "aria-label": "What may leak" });
  private readonly sizes = el("section", { "aria-label": "Sizes of blocks" });
  private readonly lives = el("section", { "aria-label": "Lifetimes of blocks" });
  private keys = { leaks: "", bars: "" };

  constructor(private readonly actions: Actions) {
    this.element.append(this.leaks, this.sizes, this.lives);
  }

  update(shared: Shared): void {
    this.element.hidden = !hasHeap(shared.profile);
    if (this.element.hidden) return;
    const { leaks, state, profile } = shared;
    const key = JSON.stringify([leaks, state.sel, profile.duration_s]);
    if (key !== this.keys.leaks) {
      this.keys.leaks = key;
      const focused = (document.activeElement as HTMLElement | null)?.dataset["leak"];
      fill(this.leaks, el("h3", {}, "What may leak"), ...this.leakList(leaks, shared));
      if (focused) this.leaks.querySelector<HTMLElement>(`[data-leak="${focused}"]`)?.focus();
    }
    const bars = JSON.stringify(profile.counters);
    if (bars === this.keys.bars) return;
    this.keys.bars = bars;
    fill(this.sizes, ...barsOf("Sizes of blocks", "how many were allocated of each size, the whole run", histogram(profile.counters, "heap_size_below"), sizeLabel));
    fill(this.lives, ...barsOf("Lifetimes of blocks", "how many of those freed had lived so long", histogram(profile.counters, "heap_life_ms_below"), lifeLabel));
  }

  private leakList(leaks: Leaks | null, shared: Shared): HTMLElement[] {
    const hint = (text: string) => [el("p", { class: "hint" }, text)];
    if (!leaks) return hint("Looking…");
    if (leaks.too_short) return hint("Too short to tell: growth is judged over at least eight windows of 100 ms.");
    const all = shared.profile.duration_s;
    const span = `from ${momentTime(leaks.from_s, all)} to ${momentTime(leaks.to_s, all)}`;
    if (!leaks.items.length) return hint(`Nothing is suspected ${span}: no place keeps more and more to the end. A cache that has filled up does not count.`);
    return [
      el("p", { class: "hint" }, `Keeps more and more ${span}, and still does at the end. Growth can be wanted; these are suspicions.`),
      el("ol", {}, ...leaks.items.slice(0, MOST_LEAKS).map((leak, i) => this.leakRow(leak, i, shared))),
    ];
  }

  private leakRow(leak: Leak, index: number, shared: Shared): HTMLElement {
    const name = el("button", { class: "plain fn", type: "button", "data-leak": index }, safeName(leak.name).slice(0, 100));
    name.addEventListener("click", () => this.actions.select(leak.id));
    const flame = el("button", { class: "button", type: "button", title: "Flame graph of what it allocated and did not free" }, "Flame");
    const value = shared.profile.values.find((v) => v.set === "heap" && v.name === "leaked");
    flame.addEventListener("click", () => value && this.actions.change({ view: "flame", value: value.key, focus: null, root: [], sel: leak.id, q: `^${leak.name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$` }));
    const sure = Math.min(99.9, Math.floor(leak.confidence * 1000) / 10);
    return el(
      "li",
      { class: shared.state.sel === leak.id ? "is-chosen" : "" },
      spark(leak.in_use),
      el(
        "div",
        { class: "what" },
        el("div", {}, name, el("span", { class: "file" }, safeName(formatPlace(leak.file, leak.at_line ?? leak.line)))),
        el("div", { class: "soft" }, leak.callers.length ? `← ${leak.callers.map((c) => safeName(c).slice(0, 40)).join(" ← ")}` : ""),
      ),
      el(
        "div",
        { class: "rate" },
        el("b", {}, `+${formatBytes(leak.bytes_per_min)}/min`),
        el(
          "span",
          { class: "soft", title: `Chance that so steady a growth is none, taken from 100 %: ${sure} %` },
          `+${formatBytes(leak.grown_bytes)}${leak.error_bytes ? ` ± ${formatBytes(leak.error_bytes)}` : ""}, rose in ${leak.rises} of ${leak.steps}, ${sure} % sure`,
        ),
      ),
      flame,
    );
  }
}

function spark(values: readonly number[]): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${SPARK.width} ${SPARK.height}`);
  svg.setAttribute("class", "spark");
  svg.setAttribute("aria-hidden", "true");
  const most = Math.max(...values, 1);
  const at = (v: number, i: number) => `${((i / Math.max(1, values.length - 1)) * SPARK.width).toFixed(1)},${(SPARK.height - 1 - (v / most) * (SPARK.height - 3)).toFixed(1)}`;
  const area = document.createElementNS(SVG, "polygon");
  area.setAttribute("points", `0,${SPARK.height} ${values.map(at).join(" ")} ${SPARK.width},${SPARK.height}`);
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", values.map(at).join(" "));
  svg.append(area, line);
  return svg;
}

function sizeLabel({ from, below }: HistogramBar): string {
  return from === 0 ? `under ${formatBytes(below)}` : `from ${formatBytes(from)}`;
}

function lifeLabel({ from }: HistogramBar): string {
  const ms = (x: number) => (x < 1000 ? `${x} ms` : x < 60_000 ? `${significant(x / 1000, 2)} s` : `${significant(x / 60_000, 2)} min`);
  return from === 0 ? "under 1 ms" : `from ${ms(from)}`;
}

/** A list of bars: the text says what the bar shows, so no picture is needed to read it. */
function barsOf(title: string, meaning: string, bars: readonly HistogramBar[], label: (bar: HistogramBar) => string): HTMLElement[] {
  if (!bars.length) return [];
  const most = Math.max(...bars.map((b) => b.count), 1);
  const total = bars.reduce((sum, b) => sum + b.count, 0);
  return [
    el("h3", {}, title),
    el("p", { class: "hint" }, `${meaning}; ${formatShort(total)} in all`),
    el(
      "dl",
      { class: "bars" },
      ...bars.flatMap((b) => {
        const bar = el("span", { class: b.count ? "part" : "" });
        bar.style.width = `${(100 * b.count) / most}%`;
        return [el("dt", {}, label(b)), el("dd", { title: `${formatCount(b.count)} blocks` }, el("span", { class: "track" }, bar), el("span", {}, formatShort(b.count)))];
      }),
    ),
  ];
}
