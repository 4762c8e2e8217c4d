import { clampDomain, hitTest, zoomDomain, type Domain } from "../canvas/flame_layout";
import { FlamePainter, type FlameScene } from "../canvas/flame_painter";
import type { Tokens } from "../canvas/colours";
import type { Box } from "../model/tree";
import { el, frameGate, onResize, wantsLessMotion } from "../widgets/dom";
import { hideTooltip, showTooltip, type TooltipContent } from "../widgets/tooltip";
import { listenTo } from "./gestures";

const MOVE_MS = 260;
const LEAST_THUMB_PX = 24;

/** What a view says about the boxes on its stage. */
export interface StageOwner {
  scene(): FlameScene | null;
  tokens(): Tokens;
  /** Position of the chosen function, or -1. */
  selected(): number;
  /** All that can be in sight, in the units of the boxes. */
  whole(): Domain;
  narrowest: number;
  rowHeight(): number;
  scrollMost(): number;
  extent(box: Box): readonly [number, number];
  tooltip(box: Box): TooltipContent;
  choose(box: Box): void;
  /** True when the box has a menu. */
  menu(box: Box, x: number, y: number): boolean;
  /** The keys besides those that move the picture; told whether any was meant. */
  keys(): Record<string, () => void> | null;
  /** What is in sight was changed by hand or is moving. */
  moved?(): void;
  drawn?(): void;
  showAll(): void;
}

/** Rows of boxes that are zoomed, panned, scrolled, pointed at and walked. */
export class BoxStage {
  readonly element: HTMLElement;
  readonly base = el("canvas", { "aria-hidden": "true" });
  sight: Domain = { lo: 0, hi: 1 };
  scroll = 0;
  width = 0;
  height = 0;
  cursor: Box | null = null;
  private readonly overlay = el("canvas", { class: "overlay", "aria-hidden": "true" });
  private readonly thumb = el("div", { class: "flame-scroll", hidden: true });
  private readonly painter = new FlamePainter(this.base);
  private hover: Box | null = null;
  private motion: { from: Domain; to: Domain; scrollFrom: number; scrollTo: number; start: number } | null = null;
  private readonly measure: () => void;
  private readonly drawSoon = frameGate(() => this.draw());
  private readonly overlaySoon = frameGate(() => this.drawOverlay());

  constructor(
    private readonly owner: StageOwner,
    label: string,
    signal: AbortSignal,
  ) {
    this.element = el("div", { class: "flame-stage", tabindex: 0, role: "application", "aria-label": label }, this.base, this.overlay, this.thumb);
    this.measure = this.listen(signal);
  }

  get isMoving(): boolean {
    return this.motion !== null;
  }

  /** The boxes are others: nothing is pointed at. */
  forgetBoxes(): void {
    this.hover = null;
    this.cursor = null;
  }

  /** Another picture: what was moving towards the old one stands still. */
  forget(): void {
    this.forgetBoxes();
    this.motion = null;
  }

  /** Draws with the next frame; the first time at once, as soon as it is known how large. */
  show(): void {
    this.keepScroll();
    if (this.width > 0) this.drawSoon();
    else this.measure();
  }

  private keepScroll(): void {
    this.scroll = Math.min(this.scroll, this.owner.scrollMost());
  }

  moveTo(to: Domain, scrollTo = this.scroll): void {
    if (wantsLessMotion()) {
      this.sight = to;
      this.scroll = scrollTo;
      this.motion = null;
    } else {
      this.motion = { from: this.sight, to, scrollFrom: this.scroll, scrollTo, start: performance.now() };
    }
    this.settle();
  }

  /** Brings a box into sight without zooming. */
  reveal(box: Box): void {
    const rowHeight = this.owner.rowHeight();
    const top = box.depth * rowHeight;
    if (top < this.scroll) this.scroll = top;
    else if (top + rowHeight > this.scroll + this.height) this.scroll = top + rowHeight - this.height;
    const [from, to] = this.owner.extent(box);
    const { lo, hi } = this.sight;
    if (to <= lo || from >= hi) {
      const middle = (from + to) / 2;
      this.sight = clampDomain({ lo: middle - (hi - lo) / 2, hi: middle + (hi - lo) / 2 }, this.owner.whole());
      this.owner.moved?.();
    }
    this.drawSoon();
  }

  private settle(): void {
    this.owner.moved?.();
    this.drawSoon();
  }

  private draw(): void {
    if (this.motion) this.stepMotion();
    const scene = this.owner.scene();
    if (!scene || this.width <= 0) return;
    this.painter.draw(scene, this.owner.tokens(), this.width, this.height, devicePixelRatio || 1);
    this.drawOverlay();
    this.owner.drawn?.();
    const most = this.owner.scrollMost();
    this.thumb.hidden = most <= 0;
    if (most > 0) {
      const size = Math.max(LEAST_THUMB_PX, (this.height / (this.height + most)) * this.height);
      const at = (this.scroll / most) * (this.height - size);
      this.thumb.style.height = `${size}px`;
      this.thumb.style.transform = `translateY(${scene.isFlipped ? this.height - size - at : at}px)`;
    }
    if (this.motion) this.drawSoon();
  }

  private drawOverlay(): void {
    const scene = this.owner.scene();
    if (!scene) return;
    const marks = { selected: this.owner.selected(), hover: this.hover, cursor: this.cursor };
    this.painter.drawOverlay(this.overlay, scene, marks, this.owner.tokens(), this.width, this.height, devicePixelRatio || 1);
  }

  private stepMotion(): void {
    const motion = this.motion;
    if (!motion) return;
    const t = Math.min(1, (performance.now() - motion.start) / MOVE_MS);
    const eased = 1 - Math.pow(1 - t, 3);
    const mix = (a: number, b: number) => a + (b - a) * eased;
    this.sight = { lo: mix(motion.from.lo, motion.to.lo), hi: mix(motion.from.hi, motion.to.hi) };
    this.scroll = mix(motion.scrollFrom, motion.scrollTo);
    if (t >= 1) {
      this.sight = motion.to;
      this.motion = null;
    }
  }

  private zoomBy(factor: number, x: number): void {
    const at = this.sight.lo + (x / this.width) * (this.sight.hi - this.sight.lo);
    this.motion = null;
    this.sight = zoomDomain(this.sight, at, factor, this.owner.whole(), this.owner.narrowest);
    this.settle();
  }

  private panBy(pixels: number): void {
    const shift = (pixels / this.width) * (this.sight.hi - this.sight.lo);
    this.motion = null;
    this.sight = clampDomain({ lo: this.sight.lo + shift, hi: this.sight.hi + shift }, this.owner.whole());
    this.settle();
  }

  private scrollBy(pixels: number): boolean {
    const sign = this.owner.scene()?.isFlipped ? -1 : 1;
    const next = Math.min(this.owner.scrollMost(), Math.max(0, this.scroll + pixels * sign));
    if (next === this.scroll) return false;
    this.scroll = next;
    this.drawSoon();
    return true;
  }

  private boxUnder(x: number, y: number): Box | null {
    const scene = this.owner.scene();
    if (!scene) return null;
    const depth = FlamePainter.depthAt(y, scene, this.height);
    const row = scene.rows[depth];
    if (!row) return null;
    const index = hitTest(row, scene.domain, this.width, x);
    return index >= 0 ? { depth, index } : null;
  }

  /** Gives what measures it now. */
  private listen(signal: AbortSignal): () => void {
    const measure = onResize(this.element, signal, (width, height) => {
      this.width = width;
      this.height = height;
      this.keepScroll();
      this.draw();
    });
    listenTo(this.element, signal, {
      pan: (pixels) => this.panBy(pixels),
      scroll: (pixels) => this.scrollBy(pixels),
      zoom: (factor, x) => this.zoomBy(factor, x),
      canScroll: () => this.owner.scrollMost() > 0,
      lineHeight: () => this.owner.rowHeight(),
      hover: (at) => this.point(at),
      click: (x, y) => {
        const box = this.boxUnder(x, y);
        if (!box) return;
        hideTooltip();
        this.cursor = null;
        this.owner.choose(box);
      },
      menu: (x, y, event) => {
        const box = this.boxUnder(x, y);
        if (!box || !this.owner.menu(box, event.clientX, event.clientY)) return false;
        hideTooltip();
        return true;
      },
    });
    this.element.addEventListener("keydown", (event) => this.onKey(event), { signal });
    return measure;
  }

  private point(at: { x: number; y: number; event: PointerEvent } | null): void {
    const box = at ? this.boxUnder(at.x, at.y) : null;
    if (box?.depth !== this.hover?.depth || box?.index !== this.hover?.index) {
      this.hover = box;
      this.overlaySoon();
    }
    if (box && at && at.event.pointerType !== "touch") showTooltip(this.owner.tooltip(box), at.event.clientX, at.event.clientY);
    else hideTooltip();
  }

  private onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const own = this.owner.keys();
    if (!own) return;
    const middle = this.width / 2;
    const keys: Record<string, () => void> = {
      Enter: () => this.cursor && this.owner.choose(this.cursor),
      w: () => this.zoomBy(0.8, middle),
      s: () => this.zoomBy(1.25, middle),
      "+": () => this.zoomBy(0.8, middle),
      "-": () => this.zoomBy(1.25, middle),
      a: () => this.panBy(-this.width / 8),
      d: () => this.panBy(this.width / 8),
      "0": () => this.owner.showAll(),
      ...own,
    };
    const run = keys[event.key];
    if (!run) return;
    run();
    event.preventDefault();
    event.stopPropagation();
  }
}
