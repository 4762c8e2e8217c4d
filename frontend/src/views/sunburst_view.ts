import { angleOf, mixFrames, ringAt, ringRadius, type SunburstFrame } from "../canvas/sunburst_layout";
import { SunburstPainter, type SunburstScene } from "../canvas/sunburst_painter";
import { sunburstSvg } from "../canvas/svg";
import { safeName } from "../canvas/text";
import { neighbour } from "../model/flame_model";
import { boxAt, depthBelow, extentOf, functionOf, pathOf, rangeWithin, type Box } from "../model/tree";
import { el, fill, frameGate, icon, onResize, wantsLessMotion } from "../widgets/dom";
import { hideTooltip, showTooltip } from "../widgets/tooltip";
import { boxAmount, boxShare, boxTooltip, ChartFrame, rootOf } from "./chart";
import { chartMessage } from "./flame_view";
import { PictureControls } from "./picture_controls";
import type { Actions, Shared, View } from "./view";

const MOVE_MS = 420;
const RING_CHOICES = [4, 6, 8, 12, 16, 24];
const CUTOFFS: [share: number, label: string][] = [[0, "every arc"], [0.001, "over 0.1 %"], [0.005, "over 0.5 %"], [0.01, "over 1 %"], [0.02, "over 2 %"], [0.05, "over 5 %"]];
const LEAST_COVERED = 0.1;
/** A level that is this much one box is the way to the program, not the program. */
const SAME_FOR_MOST = 0.6;
const FEWEST_THIN = 3;
const THINNEST_RING = 23; // CSS pixels, when the number of rings is ours to choose

/** The circle: the chosen root in the middle, callees around it. */
export class SunburstView implements View {
  readonly element = el("div", { class: "view sunburst-view" });
  private readonly abort = new AbortController();
  private readonly frameParts: ChartFrame;
  private readonly base = el("canvas", { "aria-hidden": "true" });
  private readonly overlay = el("canvas", { class: "overlay", "aria-hidden": "true" });
  private readonly centre = el("div", { class: "sunburst-centre", "aria-hidden": "true" });
  private readonly stage: HTMLElement;
  private readonly message = el("div", { class: "stage", hidden: true });
  private readonly more = el("p", { class: "sunburst-more", hidden: true });
  private readonly painter: SunburstPainter;
  private readonly controls: PictureControls;
  private readonly rings: HTMLSelectElement;
  private readonly cutoff: HTMLSelectElement;
  private readonly invert: HTMLButtonElement;
  private shared: Shared | null = null;
  private root: Box = { depth: 0, index: 0 };
  /** Rows below the root, and how many of them are worth a ring. */
  private below = 1;
  private full = 1;
  /** Of these, how many at first are the same for most. */
  private thin = 0;
  private rootKey = "";
  private shown: SunburstFrame | null = null;
  private motion: { from: SunburstFrame; start: number } | null = null;
  private hover: Box | null = null;
  private cursor: Box | null = null;
  private width = 0;
  private height = 0;
  private measure: () => void = () => undefined;
  private readonly drawSoon = frameGate(() => this.draw());
  private readonly overlaySoon = frameGate(() => this.drawOverlay());

  constructor(private readonly actions: Actions) {
    this.frameParts = new ChartFrame(actions);
    this.controls = new PictureControls(actions);
    this.painter = new SunburstPainter(this.base);
    this.rings = el("select", { class: "field", "aria-label": "Rings" });
    this.rings.append(el("option", { value: "0" }, "rings: fit"));
    for (const count of RING_CHOICES) this.rings.append(el("option", { value: count }, `${count} rings`));
    this.rings.addEventListener("change", () => actions.change({ rings: Number(this.rings.value) }));
    this.cutoff = el("select", { class: "field", "aria-label": "Smallest arc", title: "Arcs below this share of what is in the middle are left out" });
    for (const [share, label] of CUTOFFS) this.cutoff.append(el("option", { value: share }, label));
    this.cutoff.addEventListener("change", () => actions.change({ cutoff: Number(this.cutoff.value) }));
    this.invert = el("button", { class: "button quiet", type: "button", "aria-pressed": "false", title: "Callees in the middle: what runs, then who called it (i)" }, "Inverted");
    this.invert.addEventListener("click", () => actions.change({ invert: !this.shared?.state.invert, root: [] }));
    const reset = el("button", { class: "button quiet icon", type: "button", title: "Show everything (0)", "aria-label": "Show everything" }, icon("reset"));
    reset.addEventListener("click", () => actions.zoom([]));
    this.stage = el(
      "div",
      {
        class: "sunburst-stage",
        tabindex: 0,
        role: "application",
        "aria-label": "Sunburst. Arrow keys walk the arcs, Enter puts one in the middle, Backspace goes back; the same numbers are in the Table view.",
      },
      this.base,
      this.overlay,
      this.centre,
    );
    this.element.append(
      el("div", { class: "view-bar" }, this.frameParts.crumbs, this.controls.threads, this.controls.shape, this.frameParts.colourLabel, this.rings, this.cutoff, this.invert, reset),
      this.frameParts.note,
      el("div", { class: "stage" }, this.stage, this.message),
      this.more,
      this.frameParts.legend,
      this.frameParts.spoken,
      this.frameParts.table,
    );
    this.listen();
  }

  update(shared: Shared): void {
    const before = this.shared?.flame ?? null;
    this.shared = shared;
    const { flame, state } = shared;
    this.controls.update(shared);
    this.frameParts.colourLabel.hidden = shared.isCompared ?? false;
    this.invert.setAttribute("aria-pressed", String(state.invert));
    this.rings.value = String(RING_CHOICES.includes(state.rings) ? state.rings : 0);
    this.cutoff.value = String(CUTOFFS.some(([share]) => share === state.cutoff) ? state.cutoff : 0);
    this.message.hidden = flame !== null && !flame.isEmpty;
    this.stage.hidden = !this.message.hidden;
    if (!flame || flame.isEmpty) {
      fill(this.message, chartMessage(shared));
      this.more.hidden = true;
      return;
    }
    this.root = rootOf(shared);
    this.below = Math.max(1, depthBelow(flame.flame, this.root));
    this.measureRings();
    const key = `${state.root.join(".")}/${state.rings}/${state.cutoff}`;
    if (flame !== before) {
      this.hover = null;
      this.cursor = null;
      this.motion = null;
    } else if (key !== this.rootKey && this.shown && !wantsLessMotion()) {
      this.motion = { from: this.shown, start: performance.now() };
      hideTooltip();
    }
    this.rootKey = key;
    this.frameParts.update(shared, this.root);
    this.updateCentre();
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
    const flame = this.shared?.flame;
    return scene && flame && this.shared ? sunburstSvg(scene, this.shared.tokens, (w) => flame.shareText(w)) : null;
  }

  stepBack(): boolean {
    const path = this.shared?.state.root ?? [];
    if (!path.length) return false;
    this.actions.zoom(path.slice(0, -1));
    return true;
  }

  private target(): SunburstFrame | null {
    const flame = this.shared?.flame;
    if (!flame) return null;
    const [lo, hi] = extentOf(flame.flame, this.root);
    const radius = Math.max(40, Math.min(this.width, this.height) / 2 - 10);
    const fits = Math.max(4, Math.floor((radius * 0.8) / THINNEST_RING));
    const { rings: chosen, cutoff } = this.shared?.state ?? { rings: 0, cutoff: 0 };
    // Thin only when the rest would not fit beside them.
    const thin = Math.min(this.below, this.full) > (chosen || fits) ? this.thin : 0;
    const room = Math.max(4, fits - Math.round(thin / 6));
    const rings = Math.min(this.below, chosen ? chosen + thin : Math.min(room + thin, this.full));
    return { lo, hi, depth: this.root.depth, rings: Math.max(rings, 3), radius, thin, least: (hi - lo) * cutoff };
  }

  /** How deep the picture goes before only slivers are left: they would cost everyone their room. */
  private measureRings(): void {
    const flame = this.shared?.flame;
    if (!flame) return;
    const [lo, hi] = extentOf(flame.flame, this.root);
    let rings = 0;
    let same = 0;
    for (let depth = this.root.depth + 1; depth < flame.flame.rows.length; depth++) {
      const row = flame.flame.rows[depth];
      if (!row) break;
      const [first, end] = rangeWithin(row, lo, hi);
      let covered = 0;
      let widest = 0;
      for (let i = first; i < end; i++) {
        const width = (row.x1[i] as number) - (row.x0[i] as number);
        covered += width;
        widest = Math.max(widest, width);
      }
      if (covered < (hi - lo) * LEAST_COVERED) break;
      if (same === rings && widest >= (hi - lo) * SAME_FOR_MOST) same++;
      rings++;
    }
    this.full = Math.max(rings, 4);
    // The last one that most share is where they part: it keeps its name.
    this.thin = same > FEWEST_THIN ? same - 1 : 0;
  }

  private scene(): SunburstScene | null {
    const shared = this.shared;
    const flame = shared?.flame;
    if (!shared || !flame || !this.shown) return null;
    return {
      rows: flame.flame.rows,
      colours: shared.boxColours,
      label: (fn) => flame.name(fn),
      frame: this.shown,
      hits: shared.hits,
      isMoving: this.motion !== null,
    };
  }

  private draw(): void {
    const target = this.target();
    if (!target || !this.shared || this.width <= 0) return;
    this.shown = target;
    if (this.motion) {
      const t = Math.min(1, (performance.now() - this.motion.start) / MOVE_MS);
      const eased = t < 0.5 ? 4 * t * t * t : 1 - Math.pow(-2 * t + 2, 3) / 2;
      this.shown = mixFrames(this.motion.from, target, eased);
      if (t >= 1) this.motion = null;
    }
    const scene = this.scene();
    if (!scene) return;
    this.painter.draw(scene, this.shared.tokens, this.width, this.height, devicePixelRatio || 1);
    this.drawOverlay();
    if (this.motion) this.drawSoon();
  }

  private drawOverlay(): void {
    const scene = this.scene();
    const shared = this.shared;
    if (!scene || !shared?.flame) return;
    const isQuiet = this.motion !== null;
    this.painter.drawOverlay(
      this.overlay,
      scene,
      {
        selected: isQuiet || shared.state.sel === null ? -1 : shared.flame.positionOf(shared.state.sel),
        hover: isQuiet ? null : this.hover,
        cursor: isQuiet ? null : this.cursor,
      },
      shared.tokens,
      this.width,
      this.height,
      devicePixelRatio || 1,
    );
  }

  /** What lies further out than the picture goes is never simply missing. */
  private updateMore({ rings, thin = 0, least = 0 }: SunburstFrame): void {
    const words: string[] = [];
    if (rings < this.below) words.push(`${rings} of ${this.below} levels. Click an arc to go deeper, or choose more rings above.`);
    if (thin) words.push(`The first ${thin}, which most stacks share, are drawn thin.`);
    if (least) words.push(`Arcs ${CUTOFFS.find(([share]) => share === this.shared?.state.cutoff)?.[1] ?? ""} only.`);
    this.more.hidden = words.length === 0;
    this.more.textContent = words.join(" ");
  }

  private updateCentre(): void {
    const flame = this.shared?.flame;
    const target = this.target();
    if (!flame || !target) return;
    this.updateMore(target);
    const box = this.hover ?? this.cursor ?? this.root;
    const name = box.depth === 0 ? "all" : safeName(flame.name(functionOf(flame.flame, box)));
    const size = ringRadius(target, 1) * 2 - 14;
    this.centre.style.width = `${size}px`;
    this.centre.style.height = `${size}px`;
    const isSmall = size < 104;
    this.centre.classList.toggle("is-small", isSmall);
    fill(
      this.centre,
      isSmall ? null : el("div", { class: "name" }, name.length > 60 ? `${name.slice(0, 28)}…${name.slice(-28)}` : name),
      el("div", { class: "share" }, boxShare(flame, box)),
      size < 60 ? null : el("div", { class: "amount" }, boxAmount(flame, box)),
    );
  }

  private boxUnder(x: number, y: number): Box | null {
    const flame = this.shared?.flame;
    if (!flame || !this.shown) return null;
    const dx = x - this.width / 2;
    const dy = y - this.height / 2;
    const ring = ringAt(this.shown, Math.hypot(dx, dy));
    if (ring < 0) return null;
    const depth = Math.round(this.shown.depth) + ring;
    const row = flame.flame.rows[depth];
    if (!row) return null;
    if (ring === 0) return this.root;
    const at = this.shown.lo + (angleOf(dx, dy) / (Math.PI * 2)) * (this.shown.hi - this.shown.lo);
    const index = boxAt(row, at);
    if (index < 0 || (row.x1[index] as number) - (row.x0[index] as number) < (this.shown.least ?? 0)) return null;
    return { depth, index };
  }

  private choose(box: Box): void {
    const flame = this.shared?.flame;
    if (!flame) return;
    const path = pathOf(flame.flame, box);
    // The middle leads back out.
    const isMiddle = box.depth === this.root.depth && box.index === this.root.index;
    this.cursor = null;
    this.hover = null;
    this.actions.zoom(isMiddle ? path.slice(0, -1) : path);
  }

  private setHover(box: Box | null): void {
    if (box?.depth === this.hover?.depth && box?.index === this.hover?.index) return;
    this.hover = box;
    this.updateCentre();
    this.overlaySoon();
  }

  private listen(): void {
    const { stage } = this;
    const { signal } = this.abort;
    this.measure = onResize(stage, signal, (width, height) => {
      this.width = width;
      this.height = height;
      this.updateCentre();
      this.draw();
    });
    const place = (event: MouseEvent): [number, number] => {
      const box = stage.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    stage.addEventListener("pointermove", (event) => {
      if (this.motion) return;
      const box = this.boxUnder(...place(event));
      this.setHover(box);
      stage.style.cursor = box ? "pointer" : "default";
      const flame = this.shared?.flame;
      if (box && flame && event.pointerType !== "touch") showTooltip(boxTooltip(flame, box), event.clientX, event.clientY);
      else hideTooltip();
    }, { signal });
    stage.addEventListener("pointerleave", () => {
      this.setHover(null);
      hideTooltip();
    }, { signal });
    stage.addEventListener("click", (event) => {
      const box = this.boxUnder(...place(event));
      if (!box) return;
      hideTooltip();
      this.choose(box);
    }, { signal });
    stage.addEventListener("contextmenu", (event) => {
      const box = this.boxUnder(...place(event));
      const flame = this.shared?.flame;
      if (!box || !flame) return;
      event.preventDefault();
      hideTooltip();
      this.actions.menu(event.clientX, event.clientY, flame.idOf(functionOf(flame.flame, box)), pathOf(flame.flame, box));
    }, { signal });
    stage.addEventListener("keydown", (event) => this.onKey(event), { signal });
  }

  private onKey(event: KeyboardEvent): void {
    const flame = this.shared?.flame;
    if (!flame || event.ctrlKey || event.metaKey || event.altKey) return;
    const walk = (towards: "in" | "out" | "previous" | "next") => {
      const from = this.cursor ?? this.root;
      let next = neighbour(flame.flame, from, towards) ?? from;
      const [lo, hi] = extentOf(flame.flame, this.root);
      const [x0] = extentOf(flame.flame, next);
      if (next.depth < this.root.depth || x0 < lo || x0 >= hi) next = from;
      this.cursor = next;
      this.hover = null;
      this.updateCentre();
      this.frameParts.speak(flame, next);
      this.overlaySoon();
    };
    const keys: Record<string, () => void> = {
      ArrowDown: () => walk("in"),
      ArrowUp: () => walk("out"),
      ArrowLeft: () => walk("previous"),
      ArrowRight: () => walk("next"),
      Enter: () => this.choose(this.cursor ?? this.root),
      "0": () => this.actions.zoom([]),
      i: () => this.invert.click(),
      ContextMenu: () => {
        const box = this.cursor ?? this.root;
        const at = stageMiddle(this.stage);
        this.actions.menu(at.x, at.y, flame.idOf(functionOf(flame.flame, box)), pathOf(flame.flame, box));
      },
    };
    const run = keys[event.key];
    if (!run) return;
    run();
    event.preventDefault();
    event.stopPropagation();
  }
}

function stageMiddle(stage: HTMLElement): { x: number; y: number } {
  const box = stage.getBoundingClientRect();
  return { x: box.left + box.width / 2, y: box.top + box.height / 2 };
}
