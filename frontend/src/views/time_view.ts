import { FlamePainter, type FlameScene } from "../canvas/flame_painter";
import { clampDomain, hitTest, zoomDomain, type Domain } from "../canvas/flame_layout";
import { mixRgb, pixel } from "../canvas/colours";
import { timeTicks } from "../canvas/scale";
import { flameSvg } from "../canvas/svg";
import { safeName } from "../canvas/text";
import { formatCount, formatPercent, formatSeconds } from "../model/format";
import { matchFunctions } from "../model/search";
import { sharpest, type TimelineModel } from "../model/timeline_model";
import { el, fill, frameGate, icon, onResize, wantsLessMotion } from "../widgets/dom";
import { stateCard } from "../widgets/notice";
import { hideTooltip, showTooltip, type TooltipContent } from "../widgets/tooltip";
import { ChartFrame } from "./chart";
import { listenTo } from "./gestures";
import { PictureControls, threadName } from "./picture_controls";
import { momentTime } from "./series_plot";
import type { Actions, Shared, View } from "./view";

const ROW_PX = 20;
const MOVE_MS = 260;
const SETTLED_MS = 120;
const SVG_WIDTH = 1400;
const TICK_PX = 110;
const NARROWEST_S = 2e-6;
const DIMMED = 0.84;
const MIXED = 8; // flag of a box that stands for several

interface Box {
  row: number;
  index: number;
}

/** What each thread was doing, moment by moment: a lane a thread, time from left to right. */
export class TimeView implements View {
  readonly element = el("div", { class: "view time-view" });
  private readonly abort = new AbortController();
  private readonly frame: ChartFrame;
  private readonly controls: PictureControls;
  private readonly base = el("canvas", { "aria-hidden": "true" });
  private readonly overlay = el("canvas", { class: "overlay", "aria-hidden": "true" });
  private readonly thumb = el("div", { class: "flame-scroll", hidden: true });
  private readonly ruler = el("div", { class: "time-ruler number", "aria-hidden": "true" });
  private readonly sightLabel = el("span", { class: "time-sight number", role: "status" });
  private readonly stage: HTMLElement;
  private readonly message = el("div", { class: "stage", hidden: true });
  private readonly note = el("div", { class: "note-bar", hidden: true });
  private readonly table = el("div", { class: "unseen" });
  private readonly useWindow: HTMLButtonElement;
  private readonly painter: FlamePainter;
  private shared: Shared | null = null;
  private model: TimelineModel | null = null;
  /** Seconds of session time. */
  private sight: Domain = { lo: 0, hi: 1 };
  private motion: { from: Domain; to: Domain; start: number } | null = null;
  private scroll = 0;
  private hover: Box | null = null;
  private cursor: Box | null = null;
  private width = 0;
  private height = 0;
  private settleTimer = 0;
  private colours = new Uint32Array();
  private hits: Uint8Array | null = null;
  private coloursKey: unknown[] = [];
  private readonly drawSoon = frameGate(() => this.draw());
  private readonly overlaySoon = frameGate(() => this.drawOverlay());

  constructor(private readonly actions: Actions) {
    this.frame = new ChartFrame(actions);
    this.controls = new PictureControls(actions);
    this.painter = new FlamePainter(this.base);
    const reset = el("button", { class: "button quiet icon", type: "button", title: "Show everything (0)", "aria-label": "Show everything" }, icon("reset"));
    reset.addEventListener("click", () => this.showAll());
    this.useWindow = el("button", { class: "button quiet", type: "button", title: "Every view shows only the time in sight here" }, "Use as window");
    this.useWindow.addEventListener("click", () => actions.change({ from: this.sight.lo, to: this.sight.hi, sight: null }));
    this.stage = el(
      "div",
      {
        class: "flame-stage",
        tabindex: 0,
        role: "application",
        "aria-label": "Stacks in order of time. Arrow keys walk the boxes, Enter zooms to one, W and S zoom, A and D move.",
      },
      this.base,
      this.overlay,
      this.thumb,
    );
    this.element.append(
      el("div", { class: "view-bar" }, this.sightLabel, this.useWindow, el("span", { class: "grow" }), this.controls.order, this.controls.threads, this.controls.shape, this.frame.colourLabel, reset),
      this.note,
      this.ruler,
      el("div", { class: "stage" }, this.stage, this.message),
      this.frame.legend,
      this.frame.spoken,
      this.table,
    );
    this.listen();
  }

  update(shared: Shared): void {
    const before = this.shared?.timeline ?? null;
    this.shared = shared;
    this.controls.update(shared);
    const { timeline, state } = shared;
    const hasPicture = timeline !== null && !timeline.isEmpty;
    this.message.hidden = hasPicture;
    this.stage.hidden = !hasPicture;
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
      this.hover = null;
      this.cursor = null;
      if (state.sight) this.sight = { lo: state.sight[0], hi: state.sight[1] };
      else if (follows) this.sight = this.whole();
      this.sight = clampDomain(this.sight, this.whole());
      this.updateTable(shared, timeline);
    } else if (state.sight === null && !this.motion && !this.settleTimer && !this.showsAll(timeline)) {
      this.moveTo(this.whole());
    } else if (state.sight && !this.motion && !this.settleTimer && (state.sight[0] !== this.sight.lo || state.sight[1] !== this.sight.hi)) {
      this.moveTo(clampDomain({ lo: state.sight[0], hi: state.sight[1] }, this.whole()));
    }
    this.frame.updateColours(shared);
    this.updateNote(timeline);
    this.scroll = Math.min(this.scroll, this.scrollMost());
    this.drawSoon();
  }

  destroy(): void {
    clearTimeout(this.settleTimer);
    this.abort.abort();
    hideTooltip();
  }

  picture(): HTMLCanvasElement {
    return this.base;
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

  private whole(): Domain {
    const t = this.shared?.timeline;
    return t ? { lo: t.from, hi: t.to } : { lo: 0, hi: 1 };
  }

  private showsAll(t: TimelineModel): boolean {
    const slack = (t.to - t.from) * 1e-6;
    return this.sight.lo <= t.from + slack && this.sight.hi >= t.to - slack;
  }

  private rowsHeight(): number {
    return (this.model?.rows.length ?? 0) * ROW_PX + 4;
  }

  private scrollMost(): number {
    return Math.max(0, this.rowsHeight() - this.height);
  }

  private scene(): FlameScene | null {
    const shared = this.shared;
    if (!shared?.timeline) return null;
    const model = sharpest(shared.timeline, shared.timeDetail, { from: this.sight.lo, to: this.sight.hi });
    if (model !== this.model) {
      this.hover = null;
      this.cursor = null;
    }
    this.model = model;
    this.updateColours(shared, model);
    return {
      rows: model.rows,
      colours: this.colours,
      label: (fn) => (fn >= model.laneBase ? this.laneName(shared, model, fn - model.laneBase) : model.name(fn)),
      share: (width) => formatSeconds((width * model.flame.head.scale) / 1e9),
      domain: { lo: model.toStep(this.sight.lo), hi: model.toStep(this.sight.hi) },
      scroll: this.scroll,
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

  private draw(): void {
    if (this.motion) this.stepMotion();
    const scene = this.scene();
    if (!scene || !this.shared || this.width <= 0) return;
    this.painter.draw(scene, this.shared.tokens, this.width, this.height, devicePixelRatio || 1);
    this.drawOverlay();
    this.drawRuler();
    const most = this.scrollMost();
    this.thumb.hidden = most <= 0;
    if (most > 0) {
      const size = Math.max(24, (this.height / (this.height + most)) * this.height);
      this.thumb.style.height = `${size}px`;
      this.thumb.style.transform = `translateY(${(this.scroll / most) * (this.height - size)}px)`;
    }
    if (this.motion) this.drawSoon();
  }

  private drawOverlay(): void {
    const scene = this.scene();
    const shared = this.shared;
    if (!scene || !shared) return;
    const toMark = (box: Box | null) => (box ? { depth: box.row, index: box.index } : null);
    const selected = shared.state.sel === null ? -1 : (this.model?.flame.head.functions.id.indexOf(shared.state.sel) ?? -1);
    this.painter.drawOverlay(this.overlay, scene, { selected, hover: toMark(this.hover), cursor: toMark(this.cursor) }, shared.tokens, this.width, this.height, devicePixelRatio || 1);
  }

  private drawRuler(): void {
    const { lo, hi } = this.sight;
    const ticks = timeTicks(lo, hi, Math.max(2, this.width / TICK_PX));
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

  private moveTo(to: Domain): void {
    if (wantsLessMotion()) {
      this.sight = to;
      this.motion = null;
    } else {
      this.motion = { from: this.sight, to, start: performance.now() };
    }
    this.settleSoon();
    this.drawSoon();
  }

  private stepMotion(): void {
    const motion = this.motion;
    if (!motion) return;
    const t = Math.min(1, (performance.now() - motion.start) / MOVE_MS);
    const eased = 1 - Math.pow(1 - t, 3);
    const mix = (a: number, b: number) => a + (b - a) * eased;
    this.sight = { lo: mix(motion.from.lo, motion.to.lo), hi: mix(motion.from.hi, motion.to.hi) };
    if (t >= 1) {
      this.sight = motion.to;
      this.motion = null;
    }
  }

  /** When the picture stands still, the address says what is in sight, and it becomes sharp. */
  private settleSoon(): void {
    clearTimeout(this.settleTimer);
    this.settleTimer = window.setTimeout(() => {
      if (this.motion) {
        this.settleSoon();
        return;
      }
      this.settleTimer = 0;
      const t = this.shared?.timeline;
      if (!t) return;
      this.actions.change({ sight: this.showsAll(t) ? null : [Number(this.sight.lo.toFixed(6)), Number(this.sight.hi.toFixed(6))] });
    }, SETTLED_MS);
  }

  private showAll(): void {
    this.moveTo(this.whole());
  }

  private zoomBy(factor: number, x: number): void {
    const at = this.sight.lo + (x / this.width) * (this.sight.hi - this.sight.lo);
    this.motion = null;
    this.sight = zoomDomain(this.sight, at, factor, this.whole(), NARROWEST_S);
    this.settleSoon();
    this.drawSoon();
  }

  private panBy(pixels: number): void {
    const shift = (pixels / this.width) * (this.sight.hi - this.sight.lo);
    this.motion = null;
    this.sight = clampDomain({ lo: this.sight.lo + shift, hi: this.sight.hi + shift }, this.whole());
    this.settleSoon();
    this.drawSoon();
  }

  private scrollBy(pixels: number): boolean {
    const next = Math.min(this.scrollMost(), Math.max(0, this.scroll + pixels));
    if (next === this.scroll) return false;
    this.scroll = next;
    this.drawSoon();
    return true;
  }

  private boxUnder(x: number, y: number): Box | null {
    const scene = this.scene();
    const row = Math.floor((y + this.scroll) / ROW_PX);
    const columns = scene?.rows[row];
    if (!scene || !columns) return null;
    const index = hitTest(columns, scene.domain, this.width, x);
    return index >= 0 ? { row, index } : null;
  }

  private span(box: Box): [number, number] {
    const row = this.model?.rows[box.row];
    return [this.model?.toSeconds(row?.x0[box.index] ?? 0) ?? 0, this.model?.toSeconds(row?.x1[box.index] ?? 0) ?? 0];
  }

  private fnOf(box: Box): number {
    return this.model?.rows[box.row]?.fn[box.index] ?? 0;
  }

  private choose(box: Box): void {
    const { model } = this;
    if (!model) return;
    const fn = this.fnOf(box);
    const [from, to] = this.span(box);
    if (fn < model.laneBase) this.actions.select(model.idOf(fn));
    const margin = (to - from) * 0.02;
    this.moveTo(clampDomain({ lo: from - margin, hi: Math.max(to + margin, from + NARROWEST_S) }, this.whole()));
  }

  private tooltip(box: Box): TooltipContent {
    const { model, shared } = this;
    if (!model || !shared) return { title: "" };
    const fn = this.fnOf(box);
    const [from, to] = this.span(box);
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
    const isMixed = ((model.rows[box.row]?.flags?.[box.index] ?? 0) & MIXED) !== 0;
    return {
      title: safeName(model.name(fn)),
      place: safeName(model.place(fn)),
      rows,
      ...(isMixed ? { note: "Several short stays of different functions; the longest names them. Zoom in to tell them apart." } : {}),
    };
  }

  private listen(): void {
    const { stage } = this;
    const { signal } = this.abort;
    onResize(stage, signal, (width, height) => {
      this.width = width;
      this.height = height;
      this.scroll = Math.min(this.scroll, this.scrollMost());
      this.draw();
    });
    listenTo(stage, signal, {
      pan: (pixels) => this.panBy(pixels),
      scroll: (pixels) => this.scrollBy(pixels),
      zoom: (factor, x) => this.zoomBy(factor, x),
      canScroll: () => this.scrollMost() > 0,
      lineHeight: () => ROW_PX,
      hover: (at) => {
        const box = at ? this.boxUnder(at.x, at.y) : null;
        if (box?.row !== this.hover?.row || box?.index !== this.hover?.index) {
          this.hover = box;
          this.overlaySoon();
        }
        if (box && at && at.event.pointerType !== "touch") showTooltip(this.tooltip(box), at.event.clientX, at.event.clientY);
        else hideTooltip();
      },
      click: (x, y) => {
        const box = this.boxUnder(x, y);
        hideTooltip();
        this.cursor = null;
        if (box) this.choose(box);
      },
      menu: (x, y, event) => {
        const box = this.boxUnder(x, y);
        const { model } = this;
        if (!box || !model || this.fnOf(box) >= model.laneBase) return false;
        hideTooltip();
        this.actions.menu(event.clientX, event.clientY, model.idOf(this.fnOf(box)), null);
        return true;
      },
    });
    stage.addEventListener("keydown", (event) => this.onKey(event), { signal });
  }

  private walk(rows: number, boxes: number): void {
    const { model } = this;
    if (!model) return;
    if (!this.cursor) {
      this.cursor = { row: 0, index: 0 };
    } else {
      const [from, to] = this.span(this.cursor);
      const row = Math.min(model.rows.length - 1, Math.max(0, this.cursor.row + rows));
      let index = this.cursor.index + boxes;
      if (rows) {
        // Where the box's middle is; a blank row is stepped over.
        const middle = model.toStep(Math.min(Math.max((from + to) / 2, this.sight.lo), this.sight.hi));
        const next = model.rows[row];
        index = next?.x0.length ? Math.max(0, hitTest(next, { lo: middle, hi: middle + 1 }, 1, 0)) : -1;
        if (index < 0 && row + rows >= 0 && row + rows < model.rows.length) {
          this.cursor = { row, index: 0 };
          this.walk(rows, 0);
          return;
        }
      }
      const length = model.rows[row]?.x0.length ?? 0;
      if (!length) return;
      this.cursor = { row, index: Math.min(length - 1, Math.max(0, index)) };
    }
    this.reveal(this.cursor);
    const content = this.tooltip(this.cursor);
    this.frame.spoken.textContent = [content.title, ...(content.rows ?? []).map((r) => r.join(" "))].join(", ");
    this.drawSoon();
  }

  private reveal(box: Box): void {
    const top = box.row * ROW_PX;
    if (top < this.scroll) this.scroll = top;
    else if (top + ROW_PX > this.scroll + this.height) this.scroll = top + ROW_PX - this.height;
    const [from, to] = this.span(box);
    const { lo, hi } = this.sight;
    if (to > lo && from < hi) return;
    const middle = (from + to) / 2;
    this.sight = clampDomain({ lo: middle - (hi - lo) / 2, hi: middle + (hi - lo) / 2 }, this.whole());
    this.settleSoon();
  }

  private onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.model) return;
    const keys: Record<string, () => void> = {
      ArrowDown: () => this.walk(1, 0),
      ArrowUp: () => this.walk(-1, 0),
      ArrowLeft: () => this.walk(0, -1),
      ArrowRight: () => this.walk(0, 1),
      Enter: () => this.cursor && this.choose(this.cursor),
      w: () => this.zoomBy(0.8, this.width / 2),
      s: () => this.zoomBy(1.25, this.width / 2),
      "+": () => this.zoomBy(0.8, this.width / 2),
      "-": () => this.zoomBy(1.25, this.width / 2),
      a: () => this.panBy(-this.width / 8),
      d: () => this.panBy(this.width / 8),
      "0": () => this.showAll(),
    };
    const run = keys[event.key];
    if (!run) return;
    run();
    event.preventDefault();
    event.stopPropagation();
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
