import { FlamePainter, rowHeightFor, type FlameScene } from "../canvas/flame_painter";
import type { Domain } from "../canvas/flame_layout";
import type { Tokens } from "../canvas/colours";
import { flameSvg } from "../canvas/svg";
import { neighbour, type FlameModel } from "../model/flame_model";
import { depthBelow, extentOf, functionOf, pathOf, type Box } from "../model/tree";
import { el, fill, icon } from "../widgets/dom";
import { stateCard } from "../widgets/notice";
import { hideTooltip, type TooltipContent } from "../widgets/tooltip";
import { BoxStage, type StageOwner } from "./box_stage";
import { boxShare, boxTooltip, ChartFrame, rootOf } from "./chart";
import { PictureControls } from "./picture_controls";
import type { Actions, Shared, View } from "./view";

const SVG_WIDTH = 1400;

/** Boxes stacked by depth, as wide as what they cost. */
export class FlameView implements View, StageOwner {
  readonly element = el("div", { class: "view flame-view" });
  readonly narrowest = 4;
  private readonly abort = new AbortController();
  private readonly frame: ChartFrame;
  private readonly stage: BoxStage;
  private readonly message = el("div", { class: "stage", hidden: true });
  private readonly controls: PictureControls;
  private readonly invert: HTMLButtonElement;
  private readonly flip: HTMLButtonElement;
  private shared: Shared | null = null;
  private root: Box = { depth: 0, index: 0 };
  private rootKey = "";

  constructor(private readonly actions: Actions) {
    this.frame = new ChartFrame(actions);
    this.controls = new PictureControls(actions);
    this.invert = el("button", { class: "button quiet", type: "button", "aria-pressed": "false", title: "Callees at the root: what runs, then who called it (i)" }, "Inverted");
    this.flip = el("button", { class: "button quiet icon", type: "button", "aria-pressed": "false", title: "Root at the bottom (f)", "aria-label": "Root at the bottom" }, icon("flip"));
    const reset = el("button", { class: "button quiet icon", type: "button", title: "Show everything (0)", "aria-label": "Show everything" }, icon("reset"));
    const label = "Flame graph. Arrow keys walk the boxes, Enter zooms in, Backspace out; the same numbers are in the Table view.";
    this.stage = new BoxStage(this, label, this.abort.signal);
    this.element.append(
      el("div", { class: "view-bar" }, this.frame.crumbs, this.controls.order, this.controls.threads, this.controls.shape, this.frame.colourLabel, this.invert, el("span", { class: "icons" }, this.flip, reset)),
      this.frame.note,
      el("div", { class: "stage" }, this.stage.element, this.message),
      this.frame.legend,
      this.frame.spoken,
      this.frame.table,
    );
    this.invert.addEventListener("click", () => actions.change({ invert: !this.shared?.state.invert, root: [] }));
    this.flip.addEventListener("click", () => actions.change({ isFlipped: !this.shared?.state.isFlipped }));
    reset.addEventListener("click", () => this.showAll());
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
    this.stage.element.hidden = !this.message.hidden;
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
      this.stage.forget();
      // The person's place in the picture is a share of the root, whatever has grown.
      this.stage.sight =
        share && key === this.rootKey
          ? { lo: lo + share.lo * (hi - lo), hi: lo + share.hi * (hi - lo) }
          : { lo, hi };
      if (!before || key !== this.rootKey) this.stage.scroll = this.scrollToRoot();
    } else if (key !== this.rootKey) {
      this.stage.moveTo({ lo, hi }, this.scrollToRoot());
    }
    this.rootKey = key;
    this.frame.update(shared, this.root);
    this.stage.show();
  }

  destroy(): void {
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
    if (!this.shared?.flame) return false;
    const whole = this.whole();
    const { sight } = this.stage;
    if (sight.hi - sight.lo < (whole.hi - whole.lo) * 0.999) {
      this.stage.moveTo(whole);
      return true;
    }
    const { root } = this.shared.state;
    if (!root.length) return false;
    this.actions.zoom(root.slice(0, -1));
    return true;
  }

  rowHeight(): number {
    return rowHeightFor(this.shared?.flame?.flame.rows.length ?? 1, this.stage.height);
  }

  private shareOfRoot(flame: FlameModel): Domain | null {
    const [lo, hi] = extentOf(flame.flame, this.root);
    const { sight } = this.stage;
    return hi > lo ? { lo: (sight.lo - lo) / (hi - lo), hi: (sight.hi - lo) / (hi - lo) } : null;
  }

  whole(): Domain {
    const flame = this.shared?.flame;
    if (!flame) return { lo: 0, hi: 1 };
    const [lo, hi] = extentOf(flame.flame, this.root);
    return { lo, hi };
  }

  scrollMost(): number {
    const flame = this.shared?.flame;
    if (!flame) return 0;
    const rows = this.root.depth + depthBelow(flame.flame, this.root) + 1;
    return Math.max(0, rows * this.rowHeight() + 4 - this.stage.height);
  }

  /** Keeps up to three callers of the root in sight above it. */
  private scrollToRoot(): number {
    return Math.min(Math.max(0, (this.root.depth - 3) * this.rowHeight()), this.scrollMost());
  }

  scene(): FlameScene | null {
    const shared = this.shared;
    const flame = shared?.flame;
    if (!shared || !flame) return null;
    return {
      rows: flame.flame.rows,
      colours: shared.boxColours,
      label: (fn) => flame.name(fn),
      share: (_, depth, index) => boxShare(flame, { depth, index }),
      domain: this.stage.sight,
      scroll: this.stage.scroll,
      rowHeight: this.rowHeight(),
      isFlipped: shared.state.isFlipped,
      hits: shared.hits,
    };
  }

  tokens(): Tokens {
    return (this.shared as Shared).tokens; // only asked for when there is a scene
  }

  selected(): number {
    const sel = this.shared?.state.sel ?? null;
    return sel === null ? -1 : (this.shared?.flame?.positionOf(sel) ?? -1);
  }

  extent(box: Box): [number, number] {
    const flame = this.shared?.flame;
    return flame ? extentOf(flame.flame, box) : [0, 1];
  }

  tooltip(box: Box): TooltipContent {
    const flame = this.shared?.flame;
    return flame ? boxTooltip(flame, box) : { title: "" };
  }

  choose(box: Box): void {
    const flame = this.shared?.flame;
    if (flame) this.actions.zoom(pathOf(flame.flame, box));
  }

  menu(box: Box, x: number, y: number): boolean {
    const flame = this.shared?.flame;
    if (!flame) return false;
    this.actions.menu(x, y, flame.idOf(functionOf(flame.flame, box)), pathOf(flame.flame, box));
    return true;
  }

  showAll(): void {
    this.stage.moveTo(this.whole(), 0);
    if (this.shared?.state.root.length) this.actions.zoom([]);
  }

  keys(): Record<string, () => void> | null {
    const flame = this.shared?.flame;
    if (!flame) return null;
    const isFlipped = this.shared?.state.isFlipped ?? false;
    const { stage } = this;
    const walk = (towards: "in" | "out" | "previous" | "next") => {
      const from = stage.cursor ?? this.root;
      stage.cursor = stage.cursor ? (neighbour(flame.flame, from, towards) ?? from) : from;
      stage.reveal(stage.cursor);
      this.frame.speak(flame, stage.cursor);
    };
    return {
      ArrowDown: () => walk(isFlipped ? "out" : "in"),
      ArrowUp: () => walk(isFlipped ? "in" : "out"),
      ArrowLeft: () => walk("previous"),
      ArrowRight: () => walk("next"),
      i: () => this.invert.click(),
      f: () => this.flip.click(),
      ContextMenu: () => this.menuAtCursor(),
    };
  }

  private menuAtCursor(): void {
    const box = this.stage.cursor ?? this.root;
    const place = this.stage.element.getBoundingClientRect();
    const scene = this.scene();
    if (!scene) return;
    hideTooltip();
    const top = FlamePainter.rowTop(box.depth, scene, this.stage.height);
    this.menu(box, place.left + this.stage.width / 3, place.top + top + this.rowHeight());
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

