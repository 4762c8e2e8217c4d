import type { TooltipContent } from "../widgets/tooltip";
import { safeName } from "../canvas/text";
import { cssOf, pixel } from "../canvas/colours";
import { diffColours } from "../canvas/diff_colours";
import { changeOf, changeText, DIFF_SHADES, relativeText } from "../model/diff_model";
import type { FlameModel } from "../model/flame_model";
import { formatAmount, formatCount, formatPercent } from "../model/format";
import { KINDS, SLOT_HEAT, SLOT_KINDS, SLOT_OTHER, HEAT_STEPS, type ColourMode } from "../model/palette";
import { ancestry, followPath, isApportioned, pathOf, selfOf, widthOf, type Box } from "../model/tree";
import { el, fill } from "../widgets/dom";
import type { Actions, Shared } from "./view";

const SHADES = 4;

/** What flame graph and sunburst have in common: bread crumbs, legend, notes, the words for a box. */
export class ChartFrame {
  readonly crumbs = el("ol", { class: "crumbs", "aria-label": "Path to the root of the picture" });
  readonly legend = el("div", { class: "legend", role: "group", "aria-label": "Colours" });
  readonly note = el("div", { class: "note-bar", hidden: true });
  readonly spoken = el("div", { class: "unseen", "aria-live": "polite" });
  readonly table = el("div", { class: "unseen" });
  private tableKey = "";
  private legendKey = "";
  private crumbsKey = "";
  private readonly colourChoice: HTMLSelectElement;
  readonly colourLabel: HTMLElement;

  constructor(private readonly actions: Actions) {
    this.colourChoice = el("select", { class: "field", "aria-label": "Colour by" });
    for (const [value, text] of [
      ["package", "package"],
      ["kind", "kind"],
      ["self", "self time"],
    ] as const)
      this.colourChoice.append(el("option", { value }, text));
    this.colourChoice.addEventListener("change", () =>
      actions.change({ colour: this.colourChoice.value as ColourMode }),
    );
    this.colourLabel = el("label", {}, el("span", { class: "text" }, "colour"), this.colourChoice);
  }

  update(shared: Shared, root: Box): void {
    const { flame, state } = shared;
    if (!flame) return;
    this.colourChoice.value = state.colour;
    this.updateNote(flame);
    this.updateCrumbs(flame, root);
    this.updateLegend(shared, flame);
    this.updateTable(flame, root);
  }

  /** Legend and choice of colours only: for a picture that has no path to its root. */
  updateColours(shared: Shared): void {
    this.colourChoice.value = shared.state.colour;
    if (shared.flame) this.updateLegend(shared, shared.flame);
  }

  private updateNote(flame: FlameModel): void {
    const { head } = flame.flame;
    const words: string[] = [];
    if (head.estimated)
      words.push(
        "≈ Estimated: this profile knows who called whom, not whole stacks. Hatched boxes are apportioned by call; table and callers are exact.",
      );
    if (head.truncated_depth > 0) words.push("Deeper rows are left out.");
    this.note.hidden = words.length === 0;
    this.note.textContent = words.join(" ");
  }

  private updateCrumbs(flame: FlameModel, root: Box): void {
    const boxes = ancestry(flame.flame, root);
    const path = pathOf(flame.flame, root);
    const key = path.join(".") + boxes.length;
    if (key === this.crumbsKey) return;
    this.crumbsKey = key;
    const shown = boxes.map((_, i) => i).filter((i) => i === 0 || i >= boxes.length - 4);
    fill(
      this.crumbs,
      ...shown.map((i) => {
        const box = boxes[i] as Box;
        const fn = flame.flame.rows[box.depth]?.fn[box.index] ?? 0;
        const isGap = i > 0 && !shown.includes(i - 1);
        const button = el("button", { type: "button" }, i === 0 ? "all" : (isGap ? "… " : "") + safeName(flame.name(fn)));
        button.addEventListener("click", () => this.actions.zoom(path.slice(0, i)));
        return el("li", {}, button);
      }),
    );
  }

  private updateLegend(shared: Shared, flame: FlameModel): void {
    const { state, tokens, colours } = shared;
    if (shared.isCompared) {
      this.compareLegend(shared, flame);
      return;
    }
    const colourOf = (slot: number) => cssOf(pixel(tokens.slots[slot * SHADES] ?? [0, 0, 0]));
    const parts: (Node | string)[] = [];
    let key = `${state.colour} ${tokens.ink}`;
    const swatch = (slot: number) => {
      const square = el("span", { class: "swatch" });
      square.style.background = colourOf(slot);
      return square;
    };
    if (state.colour === "package") {
      const weights = flame.packageWeights("self");
      let sum = 0;
      for (const w of weights.values()) sum += w;
      let other = sum;
      for (const name of colours.names()) {
        const weight = weights.get(name) ?? 0;
        other -= weight;
        const part = weight / (sum || 1);
        const share = flame.isPreview ? "" : part > 0 && part < 0.01 ? "<1 %" : `${Math.round(part * 100)} %`;
        key += `|${name}${share}`;
        const button = el(
          "button",
          { type: "button", title: `${safeName(name)}${share ? `: ${share} of the time in its own functions` : ""}. Click to search for it.` },
          swatch(colours.slotOf(name)),
          safeName(name.length > 28 ? `${name.slice(0, 27)}…` : name),
          el("span", { class: "number" }, share),
        );
        button.addEventListener("click", () => this.actions.change({ q: packagePattern(flame, name) }));
        parts.push(button);
      }
      if (other > sum * 0.0005)
        parts.push(el("span", { class: "key" }, swatch(SLOT_OTHER), "other"));
    } else if (state.colour === "kind") {
      const kinds = new Set<number>();
      for (let fn = 0; fn < flame.flame.head.functions.kind.length; fn++) kinds.add(flame.kind(fn));
      for (const kind of [...kinds].sort()) {
        key += `|${kind}`;
        parts.push(el("span", { class: "key" }, swatch(SLOT_KINDS + kind), KINDS[kind] ?? "?"));
      }
    } else {
      parts.push(el("span", { class: "key" }, "little self time"));
      for (let step = 0; step < HEAT_STEPS; step++) parts.push(swatch(SLOT_HEAT + step));
      parts.push(el("span", { class: "key" }, "most"));
    }
    if (key === this.legendKey) return;
    this.legendKey = key;
    this.fillLegend(parts);
  }

  private compareLegend(shared: Shared, flame: FlameModel): void {
    const key = `diff ${shared.tokens.ink} ${flame.flame.head.is_tested}`;
    if (key === this.legendKey) return;
    this.legendKey = key;
    const shades = [...diffColours(shared.tokens).slice(0, DIFF_SHADES)].map((colour) => {
      const square = el("span", { class: "swatch" });
      square.style.background = cssOf(colour);
      return square;
    });
    this.fillLegend([
      el("span", { class: "key" }, "less in B, or gone"),
      ...shades,
      el("span", { class: "key" }, "more in B, or new"),
      el("span", { class: "key" }, flame.flame.head.is_tested ? "A box is as wide as both together; pale: may be chance." : "A box is as wide as both together."),
    ]);
  }

  /** In a hand it scrolls sideways: the keyboard must reach it when nothing in it does. */
  private fillLegend(parts: (Node | string)[]): void {
    fill(this.legend, ...parts);
    if (this.legend.querySelector("button")) this.legend.removeAttribute("tabindex");
    else this.legend.tabIndex = 0;
  }

  /** The picture as a table, for those who hear the page. */
  private updateTable(flame: FlameModel, root: Box): void {
    if (flame.flame.head.nodes > 200_000 || flame.flame.head.base || flame.isPreview) return;
    const path = pathOf(flame.flame, root).join(".");
    const key = `${flame.flame.head.rev}/${path}/${flame.flame.head.total}`;
    if (key === this.tableKey) return;
    this.tableKey = key;
    const { self, total } = flame.functionSums();
    const order = [...total.keys()]
      .sort((a, b) => (total[b] as number) - (total[a] as number))
      .slice(0, 25);
    const body = el("tbody");
    for (const fn of order)
      body.append(
        el(
          "tr",
          {},
          el("th", { scope: "row" }, safeName(flame.name(fn)).slice(0, 200)),
          el("td", {}, flame.place(fn)),
          el("td", {}, `${flame.amountText(self[fn] as number)}, ${flame.shareText(self[fn] as number)}`),
          el("td", {}, `${flame.amountText(total[fn] as number)}, ${flame.shareText(total[fn] as number)}`),
        ),
      );
    const head = el("tr");
    for (const title of ["Function", "Place", "Self", "Total"])
      head.append(el("th", { scope: "col" }, title));
    fill(
      this.table,
      el("table", {}, el("caption", {}, "The functions of this picture with the largest totals"), el("thead", {}, head), body),
    );
  }

  /** Reads out where the keyboard's cursor is. */
  speak(flame: FlameModel, box: Box): void {
    const fn = flame.flame.rows[box.depth]?.fn[box.index] ?? 0;
    this.spoken.textContent = `${safeName(flame.name(fn))}, depth ${box.depth}, ${boxAmount(flame, box)}, ${boxShare(flame, box)}`;
  }
}

/** A search that finds exactly the files of a package. */
function packagePattern(flame: FlameModel, name: string): string {
  const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const { id } = flame.flame.head.functions;
  for (let fn = 0; fn < id.length; fn++)
    if (flame.package(fn) === name && flame.file(fn).includes(name))
      return flame.file(fn).includes(`/${name}/`) ? `/${escaped}/` : `${escaped}\\b`;
  return escaped;
}

export function boxTooltip(flame: FlameModel, box: Box): TooltipContent {
  const fn = flame.flame.rows[box.depth]?.fn[box.index] ?? 0;
  if (flame.flame.head.base) return changeTooltip(flame, box, fn);
  const total = widthOf(flame.flame, box);
  const self = selfOf(flame.flame, box);
  const { head } = flame.flame;
  const row = (label: string, width: number): [string, ...string[]] => {
    const cells: [string, ...string[]] = [label];
    if (head.samples > 0 && !head.estimated && head.unit !== "bytes") cells.push(samplesText(flame.samples(width)));
    if (!/^(count|samples|)$/.test(head.unit)) cells.push(formatAmount(flame.amount(width), head.unit));
    cells.push(formatPercent(flame.share(width)));
    return cells;
  };
  const content: TooltipContent = {
    title: safeName(flame.name(fn)),
    place: safeName(flame.place(fn)),
    rows: [row("self", self), row("total", total)],
  };
  if (isApportioned(flame.flame, box))
    content.note = "≈ apportioned: several callers share this function's time";
  return content;
}

function changeTooltip(flame: FlameModel, box: Box, fn: number): TooltipContent {
  const { head } = flame.flame;
  const { base, target, isSure } = changeOf(flame.flame, box);
  const content: TooltipContent = {
    title: safeName(flame.name(fn)),
    place: safeName(flame.place(fn)),
    rows: [
      ["A", formatAmount(base, head.unit), formatPercent(head.base?.total ? base / head.base.total : 0)],
      ["B", formatAmount(target, head.unit), formatPercent(head.target?.total ? target / head.target.total : 0)],
      ["change", changeText(target - base, head.unit), relativeText(base, target)],
    ],
  };
  if (!isSure) content.note = "This may be chance: too few samples differ";
  return content;
}

/** What stands beside a box: its amount's share, or what changed. */
export function boxShare(flame: FlameModel, box: Box): string {
  if (!flame.flame.head.base) return flame.shareText(widthOf(flame.flame, box));
  const { base, target } = changeOf(flame.flame, box);
  return relativeText(base, target);
}

export function boxAmount(flame: FlameModel, box: Box): string {
  if (!flame.flame.head.base) return flame.amountText(widthOf(flame.flame, box));
  const { base, target } = changeOf(flame.flame, box);
  return changeText(target - base, flame.flame.head.unit);
}

/** From a share of the value: exact where every sample weighs the same, and marked where not. */
export function samplesText(samples: number): string {
  const whole = Math.round(samples);
  const mark = Math.abs(samples - whole) > 0.01 ? "≈ " : "";
  return `${mark}${formatCount(whole)} ${whole === 1 ? "sample" : "samples"}`;
}

export function rootOf(shared: Shared): Box {
  return shared.flame ? followPath(shared.flame.flame, shared.state.root).box : { depth: 0, index: 0 };
}
