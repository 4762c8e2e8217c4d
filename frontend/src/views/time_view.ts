import type { FlameScene } from "../canvas/flame_painter";
import { clampDomain, hitTest, type Domain } from "../canvas/flame_layout";
import { mixRgb, pixel, type Tokens } from "../canvas/colours";
import { timeTicks } from "../canvas/scale";
import { flameSvg } from "../canvas/svg";
import { safeName } from "../canvas/text";
import { formatCount, formatPercent, formatSeconds } from "../model/format";
import { matchFunctions } from "../model/search";
import { sharpest, type TimelineModel } from "../model/timeline_model";
import type { Box } from "../model/tree";
import { el, fill, icon } from "../widgets/dom";
import { stateCard } from "../widgets/notice";
import { hideTooltip, type TooltipContent } from "../widgets/tooltip";
import { BoxStage, type StageOwner } from "./box_stage";
import { ChartFrame } from "./chart";
import { PictureControls, threadName } from "./picture_controls";
import { momentTime } from "./series_plot";
import type { Actions, Shared, View } from "./view";

const ROW_PX = 20;
const SETTLED_MS = 120;
const SVG_WIDTH = 1400;
const TICK_PX = 110;
const NARROWEST_S = 2e-6;
const DIMMED = 0.84;
const MIXED = 8; // flag of a box that stands for several

/** What each thread was doing, moment by moment: a lane a thread, time from left to right. */
export class TimeView implements View, StageOwner {
  readonly element = el("div", { class: "view time-view" });
  readonly narrowest = NARROWEST_S;
  private readonly abort = new AbortController();
  private readonly frame: ChartFrame;
  private readonly controls: PictureControls;
  private readonly ruler = el("div", { class: "time-ruler number", "aria-hidden": "true" });
  private readonly sightLabel = el("span", { class: "time-sight number", role: "status" });
  /** Its domain is seconds of session time. */
  private readonly stage: BoxStage;
  private readonly message = el("div", { class: "stage", hidden: true });
  private readonly note = el("div", { class: "note-bar", hidden: true });
  private readonly table = el("div", { class: "unseen" });
  private readonly useWindow: HTMLButtonElement;
  private shared: Shared | null = null;
  private model: TimelineModel | null = null;
  private settleTimer = 0;
  private colours = new Uint32Array();
  private hits: Uint8Array | null = null;
  private coloursKey: unknown[] = [];

  constructor(private readonly actions: Actions) {
    this.frame = new ChartFrame(actions);
    this.controls = new PictureControls(actions);
    const reset = el("button", { class: "button quiet icon", type: "button", title: "Show everything (0)", "aria-label": "Show everything" }, icon("reset"));
    reset.addEventListener("click", () => this.showAll());
    this.useWindow = el("button", { class: "button quiet", type: "button", title: "Every view shows only the time in sight here" }, "Use as window");
    this.useWindow.addEventListener("click", () => actions.change({ from: this.stage.sight.lo, to: this.stage.sight.hi, sight: null }));
    const label = "Stacks in order of time. Arrow keys walk the boxes, Enter zooms to one, W and S zoom, A and D move.";
    this.stage = new BoxStage(this, label, this.abort.signal);
    this.element.append(
      el("div", { class: "view-bar" }, this.sightLabel, this.useWindow, el("span", { class: "grow" }), this.controls.order, this.controls.threads, this.controls.shape, this.frame.colourLabel, reset),
      this.note,
      this.ruler,
      el("div", { class: "stage" }, this.stage.element, this.message),
      this.frame.legend,
      this.frame.spoken,
      this.table,
    );
  }

  update(shared: Shared): void {
    const before = this.shared?.timeline ?? null;
    this.shared = shared;
    this.controls.update(shared);
    const { timeline, state } = shared;
    const hasPicture = timeline !== null && !timeline.isEmpty;
    this.message.hidden = hasPicture;
    this.stage.element.hidden = !hasPicture;
    this.ruler.hidden = !hasPicture;
    this.useWindow.hidden = !hasPicture;
    if (!timeline || !hasPicture) {
      this.sightLabel.textContent = "";
      this.note.hidden = true;
      fill(this.message, emptyCard(shared));
      return;
    }
    if (timeline !== before) {
      const follows = !before || this.showsAll(before);
      this.stage.forgetBoxes();
      if (state.sight) this.stage.sight = { lo: state.sight[0], hi: state.sight[1] };
      else if (follows) this.stage.sight = this.whole();
      this.stage.sight = clampDomain(this.stage.sight, this.whole());
      this.updateTable(shared, timeline);
    } else if (state.sight === null && !this.stage.isMoving && !this.settleTimer && !this.showsAll(timeline)) {
      this.stage.moveTo(this.whole());
    } else if (state.sight && !this.stage.isMoving && !this.settleTimer && (state.sight[0] !== this.stage.sight.lo || state.sight[1] !== this.stage.sight.hi)) {
      this.stage.moveTo(clampDomain({ lo: state.sight[0], hi: state.sight[1] }, this.whole()));
    }
    this.frame.updateColours(shared);
    this.updateNote(timeline);
    this.stage.show();
  }

  destroy(): void {
    clearTimeout(this.settleTimer);
    this.abort.abort();
    hideTooltip();
  }

  picture(): HTMLCanvasElement {
    return this.stage.base;
  }

  drawing(): string | null {
    const scene = this.scene();
    return scene && this.shared ? flameSvg(scene, this.shared.tokens, SVG_WIDTH) : null;
  }

  stepBack(): boolean {
    if (!this.model || this.showsAll(this.model)) return false;
    this.showAll();
    return true;
  }

  whole(): Domain {
    const t = this.shared?.timeline;
    return t ? { lo: t.from, hi: t.to } : { lo: 0, hi: 1 };
  }

  private showsAll(t: TimelineModel): boolean {
    const slack = (t.to - t.from) * 1e-6;
    return this.stage.sight.lo <= t.from + slack && this.stage.sight.hi >= t.to - slack;
  }

  rowHeight(): number {
    return ROW_PX;
  }

  scrollMost(): number {
    return Math.max(0, (this.model?.rows.length ?? 0) * ROW_PX + 4 - this.stage.height);
  }

  scene(): FlameScene | null {
    const shared = this.shared;
    if (!shared?.timeline) return null;
    const model = sharpest(shared.timeline, shared.timeDetail, { from: this.stage.sight.lo, to: this.stage.sight.hi });
    if (model !== this.model) this.stage.forgetBoxes();
    this.model = model;
    this.updateColours(shared, model);
    return {
      rows: model.rows,
      colours: this.colours,
      label: (fn) => (fn >= model.laneBase ? this.laneName(shared, model, fn - model.laneBase) : model.name(fn)),
      share: (width) => formatSeconds((width * model.flame.head.scale) / 1e9),
      domain: { lo: model.toStep(this.stage.sight.lo), hi: model.toStep(this.stage.sight.hi) },
      scroll: this.stage.scroll,
      rowHeight: ROW_PX,
      isFlipped: false,
      hits: this.hits,
    };
  }

  private laneName(shared: Shared, model: TimelineModel, index: number): string {
    const lane = model.lanes[index]?.lane;
    if (!lane) return "";
    if (!shared.profile.threads.length) return "all threads";
    return threadName(shared.profile, lane.thread);
  }

  /** The same colours as in the merged picture, dimmed where the search misses. */
  private updateColours(shared: Shared, model: TimelineModel): void {
    const key = [model, shared.boxColours, shared.query, shared.state.colour, shared.tokens, shared.colours.names().length];
    if (key.every((k, i) => k === this.coloursKey[i]) && this.coloursKey.length) return;
    this.coloursKey = key;
    const { tokens, flame, state, colours } = shared;
    const merged = state.colour === "self" ? (flame?.colourSlots("self", colours) ?? null) : null;
    const slots = model.colourSlots(state.colour, colours, (id) => {
      const at = flame?.positionOf(id) ?? -1;
      return at >= 0 ? (merged?.[at] ?? null) : null;
    });
    const found = matchFunctions(model.flame, shared.query);
    this.hits = found ? new Uint8Array(slots.length).fill(1) : null;
    if (found) this.hits?.set(found);
    this.colours = Uint32Array.from(slots, (slot, fn) => {
      const rgb = tokens.slots[slot] ?? ([128, 128, 128] as const);
      return pixel(this.hits && this.hits[fn] !== 1 ? mixRgb(rgb, tokens.background, DIMMED) : rgb);
    });
  }

  tokens(): Tokens {
    return (this.shared as Shared).tokens; // only asked for when there is a scene
  }

  selected(): number {
    const sel = this.shared?.state.sel ?? null;
    return sel === null ? -1 : (this.model?.flame.head.functions.id.indexOf(sel) ?? -1);
  }

  drawn(): void {
    const { lo, hi } = this.stage.sight;
    const ticks = timeTicks(lo, hi, Math.max(2, this.stage.width / TICK_PX));
    const all = this.whole();
    fill(
      this.ruler,
      ...ticks.map((t) => {
        const mark = el("span", {}, hi - lo < 1 ? formatRuler(t, hi - lo) : momentTime(t, all.hi));
        mark.style.left = `${((t - lo) / (hi - lo)) * 100}%`;
        return mark;
      }),
    );
    this.sightLabel.textContent = this.model && this.showsAll(this.model) ? `${formatSeconds(hi - lo)} in all` : `${formatSeconds(hi - lo)} in sight, from ${formatRuler(lo, hi - lo)}`;
  }

  private updateNote(t: TimelineModel): void {
    const { head } = t.flame;
    const words: string[] = [];
    if (head.assumed) words.push(`≈ This file does not say how long a sample lasted: each is drawn up to the next one, at most ${formatSeconds(head.assumed / 1e9)}.`);
    if (head.lanes_left_out) words.push(`${formatCount(head.lanes_left_out)} threads with fewer samples are left out; choose them above.`);
    if (head.truncated_depth > 0) words.push("Deeper rows are left out.");
    this.note.hidden = words.length === 0;
    this.note.textContent = words.join(" ");
  }

  private updateTable(shared: Shared, t: TimelineModel): void {
    const body = el("tbody");
    t.lanes.forEach(({ lane, rows }, i) =>
      body.append(
        el(
          "tr",
          {},
          el("th", { scope: "row" }, safeName(this.laneName(shared, t, i)).slice(0, 200)),
          el("td", {}, formatCount(lane.samples)),
          el("td", {}, `${formatSeconds(lane.covered / 1e9)}, ${formatPercent(lane.covered / 1e9 / (t.to - t.from))}`),
          el("td", {}, formatCount(rows - 1)),
        ),
      ),
    );
    const head = el("tr");
    for (const title of ["Thread", "Samples", "Time seen", "Deepest stack"]) head.append(el("th", { scope: "col" }, title));
    fill(this.table, el("table", {}, el("caption", {}, "The threads of this picture"), el("thead", {}, head), body));
  }

  /** When the picture stands still, the address says what is in sight, and it becomes sharp. */
  moved(): void {
    clearTimeout(this.settleTimer);
    this.settleTimer = window.setTimeout(() => {
      if (this.stage.isMoving) {
        this.moved();
        return;
      }
      this.settleTimer = 0;
      const t = this.shared?.timeline;
      if (!t) return;
      this.actions.change({ sight: this.showsAll(t) ? null : [Number(this.stage.sight.lo.toFixed(6)), Number(this.stage.sight.hi.toFixed(6))] });
    }, SETTLED_MS);
  }

  showAll(): void {
    this.stage.moveTo(this.whole());
  }

  extent(box: Box): [number, number] {
    const row = this.model?.rows[box.depth];
    return [this.model?.toSeconds(row?.x0[box.index] ?? 0) ?? 0, this.model?.toSeconds(row?.x1[box.index] ?? 0) ?? 0];
  }

  private fnOf(box: Box): number {
    return this.model?.rows[box.depth]?.fn[box.index] ?? 0;
  }

  choose(box: Box): void {
    const { model } = this;
    if (!model) return;
    const fn = this.fnOf(box);
    const [from, to] = this.extent(box);
    if (fn < model.laneBase) this.actions.select(model.idOf(fn));
    const margin = (to - from) * 0.02;
    this.stage.moveTo(clampDomain({ lo: from - margin, hi: Math.max(to + margin, from + NARROWEST_S) }, this.whole()));
  }

  tooltip(box: Box): TooltipContent {
    const { model, shared } = this;
    if (!model || !shared) return { title: "" };
    const fn = this.fnOf(box);
    const [from, to] = this.extent(box);
    const rows: [string, ...string[]][] = [
      ["from", formatRuler(from, to - from)],
      ["lasted", formatSeconds(to - from)],
    ];
    if (fn >= model.laneBase) {
      const lane = model.lanes[fn - model.laneBase]?.lane;
      const seen = (lane?.covered ?? 0) / 1e9;
      return {
        title: safeName(this.laneName(shared, model, fn - model.laneBase)),
        rows: [...rows, ["seen in all", `${formatSeconds(seen)}, ${formatPercent(seen / (model.to - model.from))}`], ["samples", formatCount(lane?.samples ?? 0)]],
        note: "Blank: this thread was not sampled then",
      };
    }
    const isMixed = ((model.rows[box.depth]?.flags?.[box.index] ?? 0) & MIXED) !== 0;
    return {
      title: safeName(model.name(fn)),
      place: safeName(model.place(fn)),
      rows,
      ...(isMixed ? { note: "Several short stays of different functions; the longest names them. Zoom in to tell them apart." } : {}),
    };
  }

  menu(box: Box, x: number, y: number): boolean {
    const { model } = this;
    if (!model || this.fnOf(box) >= model.laneBase) return false;
    this.actions.menu(x, y, model.idOf(this.fnOf(box)), null);
    return true;
  }

  private walk(rows: number, boxes: number): void {
    const { model } = this;
    if (!model) return;
    if (!this.stage.cursor) {
      this.stage.cursor = { depth: 0, index: 0 };
    } else {
      const [from, to] = this.extent(this.stage.cursor);
      const row = Math.min(model.rows.length - 1, Math.max(0, this.stage.cursor.depth + rows));
      let index = this.stage.cursor.index + boxes;
      if (rows) {
        // Where the box's middle is; a blank row is stepped over.
        const middle = model.toStep(Math.min(Math.max((from + to) / 2, this.stage.sight.lo), this.stage.sight.hi));
        const next = model.rows[row];
        index = next?.x0.length ? Math.max(0, hitTest(next, { lo: middle, hi: middle + 1 }, 1, 0)) : -1;
        if (index < 0 && row + rows >= 0 && row + rows < model.rows.length) {
          this.stage.cursor = { depth: row, index: 0 };
          this.walk(rows, 0);
          return;
        }
      }
      const length = model.rows[row]?.x0.length ?? 0;
      if (!length) return;
      this.stage.cursor = { depth: row, index: Math.min(length - 1, Math.max(0, index)) };
    }
    this.stage.reveal(this.stage.cursor);
    const content = this.tooltip(this.stage.cursor);
    this.frame.spoken.textContent = [content.title, ...(content.rows ?? []).map((r) => r.join(" "))].join(", ");
  }

  keys(): Record<string, () => void> | null {
    if (!this.model) return null;
    return {
      ArrowDown: () => this.walk(1, 0),
      ArrowUp: () => this.walk(-1, 0),
      ArrowLeft: () => this.walk(0, -1),
      ArrowRight: () => this.walk(0, 1),
    };
  }
}

/** As many digits as tell neighbours apart. */
function formatRuler(seconds: number, span: number): string {
  const digits = Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(Math.max(span, 1e-6)))));
  return `${seconds.toFixed(digits)} s`;
}

function emptyCard(shared: Shared): HTMLElement {
  if (shared.problem) return stateCard("bad", "This has no order of time", shared.problem, "The merged picture is beside it.");
  if (!shared.timeline) return stateCard("loading", "Loading the stacks in order of time");
  if (shared.profile.state === "live") return stateCard("loading", "Waiting for the first samples");
  return stateCard("empty", "Nothing was sampled here", "No sample matches the window and filters above. Esc takes them away.");
}
