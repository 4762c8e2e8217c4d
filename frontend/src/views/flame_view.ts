import { FlamePainter, rowHeightFor, type FlameScene } from "../canvas/flame_painter";
import { clampDomain, hitTest, zoomDomain, type Domain } from "../canvas/flame_layout";
import { flameSvg } from "../canvas/svg";
import { neighbour, type FlameModel } from "../model/flame_model";
import { depthBelow, extentOf, functionOf, pathOf, type Box } from "../model/tree";
import { el, fill, frameGate, icon, onResize, wantsLessMotion } from "../widgets/dom";
import { stateCard } from "../widgets/notice";
import { hideTooltip, showTooltip } from "../widgets/tooltip";
import { boxShare, boxTooltip, ChartFrame, rootOf } from "./chart";
import { listenTo } from "./gestures";
import { PictureControls } from "./picture_controls";
import type { Actions, Shared, View } from "./view";

const MOVE_MS = 260;
const SVG_WIDTH = 1400;

/** Boxes stacked by depth, as wide as what they cost. */
export class FlameView implements View {
  readonly element = el("div", { class: "view flame-view" });
  private readonly abort = new AbortController();
  private readonly frame: ChartFrame;
  private readonly base = el("canvas", { "aria-hidden": "true" });
  private readonly overlay = el("canvas", { class: "overlay", "aria-hidden": "true" });
  private readonly thumb = el("div", { class: "flame-scroll", hidden: true });
  private readonly stage: HTMLElement;
  private readonly message = el("div", { class: "stage", hidden: true });
  private readonly painter: FlamePainter;
  private readonly controls: PictureControls;
  private readonly invert: HTMLButtonElement;
  private readonly flip: HTMLButtonElement;
  private shared: Shared | null = null;
  private root: Box = { depth: 0, index: 0 };
  private rootKey = "";
  private domain: Domain = { lo: 0, hi: 1 };
  private motion: { from: Domain; to: Domain; scrollFrom: number; scrollTo: number; start: number } | null = null;
  private scroll = 0;
  private hover: Box | null = null;
  private cursor: Box | null = null;
  private width = 0;
  private height = 0;
  private measure: () => void = () => undefined;
  private readonly drawSoon = frameGate(() => this.draw());
  private readonly overlaySoon = frameGate(() => this.drawOverlay());

  constructor(private readonly actions: Actions) {
    this.frame = new ChartFrame(actions);
    this.controls = new PictureControls(actions);
    this.painter = new FlamePainter(this.base);
    this.invert = el("button", { class: "button quiet", type: "button", "aria-pressed": "false", title: "Callees at the root: what runs, then who called it (i)" }, "Inverted");
    this.flip = el("button", { class: "button quiet icon", type: "button", "aria-pressed": "false", title: "Root at the bottom (f)", "aria-label": "Root at the bottom" }, icon("flip"));
    const reset = el("button", { class: "button quiet icon", type: "button", title: "Show everything (0)", "aria-label": "Show everything" }, icon("reset"));
    this.stage = el(
      "div",
      {
        class: "flame-stage",
        tabindex: 0,
        role: "application",
        "aria-label": "Flame graph. Arrow keys walk the boxes, Enter zooms in, Backspace out; the same numbers are in the Table view.",
      },
      this.base,
      this.overlay,
      this.thumb,
    );
    this.element.append(
      el("div", { class: "view-bar" }, this.frame.crumbs, this.controls.order, this.controls.threads, this.controls.shape, this.frame.colourLabel, this.invert, this.flip, reset),
      this.frame.note,
      el("div", { class: "stage" }, this.stage, this.message),
      this.frame.legend,
      this.frame.spoken,
      this.frame.table,
    );
    this.invert.addEventListener("click", () => actions.change({ invert: !this.shared?.state.invert, root: [] }));
    this.flip.addEventListener("click", () => actions.change({ isFlipped: !this.shared?.state.isFlipped }));
    reset.addEventListener("click", () => this.showAll());
    this.listen();
  }

  update(shared: Shared): void {
    const before = this.shared?.flame ?? null;
    this.shared = shared;
    const { flame, state } = shared;
    this.controls.update(shared);
    this.frame.colourLabel.hidden = shared.isCompared ?? false;
    this.invert.setAttribute("aria-pressed", String(state.invert));
    this.flip.setAttribute("aria-pressed", String(state.isFlipped));
    this.message.hidden = flame !== null && !flame.isEmpty;
    this.stage.hidden = !this.message.hidden;
    if (!flame || flame.isEmpty) {
      fill(this.message, chartMessage(shared));
      return;
    }
    const isNewData = flame !== before;
    const share = isNewData && before ? this.shareOfRoot(before) : null;
    this.root = rootOf(shared);
    const key = state.root.join(".");
    const [lo, hi] = extentOf(flame.flame, this.root);
    if (isNewData) {
      this.hover = null;
      this.cursor = null;
      this.motion = null;
      // The person's place in the picture is a share of the root, whatever has grown.
      this.domain =
        share && key === this.rootKey
          ? { lo: lo + share.lo * (hi - lo), hi: lo + share.hi * (hi - lo) }
          : { lo, hi };
      if (!before || key !== this.rootKey) this.scroll = this.scrollToRoot();
    } else if (key !== this.rootKey) {
      this.moveTo({ lo, hi }, this.scrollToRoot());
    }
    this.rootKey = key;
    this.frame.update(shared, this.root);
    this.scroll = Math.min(this.scroll, this.scrollMost());
    if (this.width > 0) this.drawSoon();
    else this.measure();
  }

  destroy(): void {
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
    if (!this.shared?.flame) return false;
    const whole = this.wholeDomain();
    if (this.domain.hi - this.domain.lo < (whole.hi - whole.lo) * 0.999) {
      this.moveTo(whole, this.scroll);
      return true;
    }
    const { root } = this.shared.state;
    if (!root.length) return false;
    this.actions.zoom(root.slice(0, -1));
    return true;
  }

  private get rowHeight(): number {
    return rowHeightFor(this.shared?.flame?.flame.rows.length ?? 1, this.height);
  }

  private shareOfRoot(flame: FlameModel): Domain | null {
    const [lo, hi] = extentOf(flame.flame, this.root);
    return hi > lo
      ? { lo: (this.domain.lo - lo) / (hi - lo), hi: (this.domain.hi - lo) / (hi - lo) }
      : null;
  }

  private wholeDomain(): Domain {
    const flame = this.shared?.flame;
    if (!flame) return { lo: 0, hi: 1 };
    const [lo, hi] = extentOf(flame.flame, this.root);
    return { lo, hi };
  }

  private scrollMost(): number {
    const flame = this.shared?.flame;
    if (!flame) return 0;
    const rows = this.root.depth + depthBelow(flame.flame, this.root) + 1;
    return Math.max(0, rows * this.rowHeight + 4 - this.height);
  }

  /** Keeps up to three callers of the root in sight above it. */
  private scrollToRoot(): number {
    return Math.min(Math.max(0, (this.root.depth - 3) * this.rowHeight), this.scrollMost());
  }

  private scene(): FlameScene | null {
    const shared = this.shared;
    const flame = shared?.flame;
    if (!shared || !flame) return null;
    return {
      rows: flame.flame.rows,
      colours: shared.boxColours,
      label: (fn) => flame.name(fn),
      share: (_, depth, index) => boxShare(flame, { depth, index }),
      domain: this.domain,
      scroll: this.scroll,
      rowHeight: this.rowHeight,
      isFlipped: shared.state.isFlipped,
      hits: shared.hits,
    };
  }

  private draw(): void {
    if (this.motion) this.stepMotion();
    const scene = this.scene();
    if (!scene || !this.shared || this.width <= 0) return;
    this.painter.draw(scene, this.shared.tokens, this.width, this.height, devicePixelRatio || 1);
    this.drawOverlay();
    const most = this.scrollMost();
    this.thumb.hidden = most <= 0;
    if (most > 0) {
      const size = Math.max(24, (this.height / (this.height + most)) * this.height);
      const at = (this.scroll / most) * (this.height - size);
      this.thumb.style.height = `${size}px`;
      this.thumb.style.transform = `translateY(${scene.isFlipped ? this.height - size - at : at}px)`;
    }
    if (this.motion) this.drawSoon();
  }

  private drawOverlay(): void {
    const scene = this.scene();
    const shared = this.shared;
    if (!scene || !shared?.flame) return;
    this.painter.drawOverlay(
      this.overlay,
      scene,
      {
        selected: shared.state.sel === null ? -1 : shared.flame.positionOf(shared.state.sel),
        hover: this.hover,
        cursor: this.cursor,
      },
      shared.tokens,
      this.width,
      this.height,
      devicePixelRatio || 1,
    );
  }

  private moveTo(to: Domain, scrollTo: number): void {
    if (wantsLessMotion()) {
      this.domain = to;
      this.scroll = scrollTo;
      this.motion = null;
    } else {
      this.motion = { from: this.domain, to, scrollFrom: this.scroll, scrollTo, start: performance.now() };
    }
    this.drawSoon();
  }

  private stepMotion(): void {
    const motion = this.motion;
    if (!motion) return;
    const t = Math.min(1, (performance.now() - motion.start) / MOVE_MS);
    const eased = 1 - Math.pow(1 - t, 3);
    const mix = (a: number, b: number) => a + (b - a) * eased;
    this.domain = { lo: mix(motion.from.lo, motion.to.lo), hi: mix(motion.from.hi, motion.to.hi) };
    this.scroll = mix(motion.scrollFrom, motion.scrollTo);
    if (t >= 1) this.motion = null;
  }

  private showAll(): void {
    this.moveTo(this.wholeDomain(), 0);
    if (this.shared?.state.root.length) this.actions.zoom([]);
  }

  private boxUnder(x: number, y: number): Box | null {
    const scene = this.scene();
    if (!scene) return null;
    const depth = FlamePainter.depthAt(y, scene, this.height);
    const row = scene.rows[depth];
    if (!row) return null;
    const index = hitTest(row, this.domain, this.width, x);
    return index >= 0 ? { depth, index } : null;
  }

  private zoomBy(factor: number, x: number): void {
    const at = this.domain.lo + (x / this.width) * (this.domain.hi - this.domain.lo);
    this.motion = null;
    this.domain = zoomDomain(this.domain, at, factor, this.wholeDomain(), 4);
    this.drawSoon();
  }

  private panBy(pixels: number): void {
    const shift = (pixels / this.width) * (this.domain.hi - this.domain.lo);
    this.motion = null;
    this.domain = clampDomain(
      { lo: this.domain.lo + shift, hi: this.domain.hi + shift },
      this.wholeDomain(),
    );
    this.drawSoon();
  }

  private scrollBy(pixels: number): boolean {
    const sign = this.shared?.state.isFlipped ? -1 : 1;
    const next = Math.min(this.scrollMost(), Math.max(0, this.scroll + pixels * sign));
    if (next === this.scroll) return false;
    this.scroll = next;
    this.drawSoon();
    return true;
  }

  private choose(box: Box): void {
    const flame = this.shared?.flame;
    if (!flame) return;
    this.actions.zoom(pathOf(flame.flame, box));
  }

  private listen(): void {
    const { stage } = this;
    const { signal } = this.abort;
    this.measure = onResize(stage, signal, (width, height) => {
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
      lineHeight: () => this.rowHeight,
      hover: (at) => this.setHover(at ? this.boxUnder(at.x, at.y) : null, at?.event ?? null),
      click: (x, y) => {
        const box = this.boxUnder(x, y);
        if (!box) return;
        hideTooltip();
        this.cursor = null;
        this.choose(box);
      },
      menu: (x, y, event) => {
        const box = this.boxUnder(x, y);
        if (box) this.openMenu(box, event.clientX, event.clientY);
        return box !== null;
      },
    });
    stage.addEventListener("keydown", (event) => this.onKey(event), { signal });
  }

  private openMenu(box: Box, x: number, y: number): void {
    const flame = this.shared?.flame;
    if (!flame) return;
    hideTooltip();
    const path = pathOf(flame.flame, box);
    this.actions.menu(x, y, flame.idOf(functionOf(flame.flame, box)), path);
  }

  private setHover(box: Box | null, event: PointerEvent | null): void {
    const flame = this.shared?.flame;
    if (box?.depth !== this.hover?.depth || box?.index !== this.hover?.index) {
      this.hover = box;
      this.overlaySoon();
    }
    if (box && flame && event && event.pointerType !== "touch") showTooltip(boxTooltip(flame, box), event.clientX, event.clientY);
    else hideTooltip();
  }

  private onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const flame = this.shared?.flame;
    if (!flame) return;
    const isFlipped = this.shared?.state.isFlipped ?? false;
    const walk = (towards: "in" | "out" | "previous" | "next") => {
      const from = this.cursor ?? this.root;
      this.cursor = this.cursor ? (neighbour(flame.flame, from, towards) ?? from) : from;
      this.reveal(this.cursor);
      this.frame.speak(flame, this.cursor);
    };
    const keys: Record<string, () => void> = {
      ArrowDown: () => walk(isFlipped ? "out" : "in"),
      ArrowUp: () => walk(isFlipped ? "in" : "out"),
      ArrowLeft: () => walk("previous"),
      ArrowRight: () => walk("next"),
      Enter: () => this.cursor && this.choose(this.cursor),
      w: () => this.zoomBy(0.8, this.width / 2),
      s: () => this.zoomBy(1.25, this.width / 2),
      "+": () => this.zoomBy(0.8, this.width / 2),
      "-": () => this.zoomBy(1.25, this.width / 2),
      a: () => this.panBy(-this.width / 8),
      d: () => this.panBy(this.width / 8),
      "0": () => this.showAll(),
      i: () => this.invert.click(),
      f: () => this.flip.click(),
      ContextMenu: () => this.menuAtCursor(),
    };
    const run = keys[event.key];
    if (!run) return;
    run();
    event.preventDefault();
    event.stopPropagation();
  }

  private menuAtCursor(): void {
    const box = this.cursor ?? this.root;
    const place = this.stage.getBoundingClientRect();
    const scene = this.scene();
    if (scene)
      this.openMenu(box, place.left + this.width / 3, place.top + FlamePainter.rowTop(box.depth, scene, this.height) + this.rowHeight);
  }

  private reveal(box: Box): void {
    const flame = this.shared?.flame;
    if (!flame) return;
    const top = box.depth * this.rowHeight;
    if (top < this.scroll) this.scroll = top;
    else if (top + this.rowHeight > this.scroll + this.height) this.scroll = top + this.rowHeight - this.height;
    const [x0, x1] = extentOf(flame.flame, box);
    const { lo, hi } = this.domain;
    if (x1 <= lo || x0 >= hi) {
      const middle = (x0 + x1) / 2;
      this.domain = clampDomain({ lo: middle - (hi - lo) / 2, hi: middle + (hi - lo) / 2 }, this.wholeDomain());
    }
    this.drawSoon();
  }
}

/** What stands where the picture would be. */
export function chartMessage(shared: Shared): HTMLElement {
  if (shared.problem) return stateCard("bad", "This could not be drawn", shared.problem);
  if (!shared.flame) return stateCard("loading", "Loading the stacks");
  const { state, profile } = shared;
  const isFiltered =
    state.from !== null || state.to !== null || state.threads.length || state.processes.length || state.states.length || state.focus !== null;
  if (isFiltered)
    return stateCard("empty", "Nothing was sampled here", "No sample matches the window and filters above. Esc takes them away.");
  const why = profile.notices.find((n) => n.code === "no_stacks");
  if (why) return stateCard("empty", "No stacks in this profile", why.text);
  if (profile.state === "live")
    return stateCard("loading", "Waiting for the first samples", "The picture appears as soon as the program has been sampled.");
  return stateCard("empty", "No stacks in this profile", "It may hold lines or series: see the other tabs.");
}

