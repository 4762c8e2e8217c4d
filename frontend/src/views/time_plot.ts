import type { Tokens } from "../canvas/colours";
import { drawPlot, type PlotScales, type PlotScene } from "../canvas/plot_painter";
import { fromPixel, lastNotAfter, toPixel } from "../canvas/scale";
import { el, frameGate, onResize } from "../widgets/dom";
import { hideTooltip, showTooltip } from "../widgets/tooltip";

export interface PlotData {
  scene: PlotScene;
  tokens: Tokens;
  window: { from: number | null; to: number | null };
  /** Moments that are looked at; only where the plot has `onMoment`. */
  moments?: { at: number | null; base: number | null };
  momentText?(seconds: number): string;
  /** For the tooltip: one line for each series. */
  readAt(seconds: number): { title: string; rows: [string, ...string[]][] };
}

export interface PlotActions {
  brush(from: number | null, to: number | null): void;
  /** A click: this moment. */
  moment?(seconds: number): void;
  moveBase?(seconds: number): void;
}

/** Series over time with a window that mouse, finger and keys move. */
export class TimePlot {
  readonly element = el("div", { class: "plot" });
  private readonly canvas = el("canvas", { "aria-hidden": "true" });
  private readonly shade = el("div", { class: "window", hidden: true });
  private readonly line = el("div", { class: "cursor-line", hidden: true });
  private readonly handles: [HTMLElement, HTMLElement];
  private readonly cursors: { at: HTMLElement; base: HTMLElement } | null = null;
  private readonly abort = new AbortController();
  private data: PlotData | null = null;
  private scales: PlotScales | null = null;
  private width = 0;
  private height = 0;
  private drag: { kind: "new" | "move" | "from" | "to" | "at" | "base"; anchor: number; moved: boolean } | null = null;
  private readonly drawSoon = frameGate(() => this.draw());

  constructor(
    label: string,
    private readonly actions: PlotActions,
  ) {
    const handle = (name: string) =>
      el("div", { class: "handle", role: "slider", tabindex: 0, "aria-label": `${label}: window ${name}` });
    this.handles = [handle("start"), handle("end")];
    this.element.append(this.canvas, this.shade, this.line, ...this.handles);
    if (actions.moment) {
      const cursor = (kind: string, name: string) =>
        el("div", { class: `moment is-${kind}`, role: "slider", tabindex: 0, hidden: true, "aria-label": `${label}: ${name}` }, el("span", {}));
      this.cursors = { at: cursor("at", "the moment looked at"), base: cursor("base", "the moment compared with") };
      this.element.append(this.cursors.base, this.cursors.at);
      this.element.classList.add("has-moments");
    }
    this.listen();
  }

  update(data: PlotData): void {
    this.data = data;
    this.drawSoon();
  }

  destroy(): void {
    this.abort.abort();
    hideTooltip();
  }

  picture(): HTMLCanvasElement {
    return this.canvas;
  }

  private draw(): void {
    if (!this.data || this.width <= 0) return;
    this.scales = drawPlot(this.canvas, this.data.scene, this.data.tokens, this.width, this.height, devicePixelRatio || 1);
    this.placeWindow();
    this.placeMoments();
  }

  private placeWindow(): void {
    const { data, scales } = this;
    if (!data || !scales) return;
    const { from, to } = data.window;
    const { scene } = data;
    const isWhole = from === null && to === null;
    const ends = [from ?? scene.from, to ?? scene.to] as const;
    const left = Math.max(0, toPixel(scales.x, ends[0]));
    const right = Math.min(this.width, toPixel(scales.x, ends[1]));
    this.shade.hidden = isWhole || right < 0 || left > this.width;
    this.shade.style.left = `${left}px`;
    this.shade.style.width = `${Math.max(1, right - left)}px`;
    this.handles.forEach((handle, i) => {
      const at = Math.min(this.width - 8, Math.max(8, i === 0 ? left : right));
      handle.style.left = `${at}px`;
      handle.classList.toggle("is-idle", isWhole);
      handle.setAttribute("aria-valuemin", scene.from.toFixed(2));
      handle.setAttribute("aria-valuemax", scene.to.toFixed(2));
      handle.setAttribute("aria-valuenow", (ends[i as 0 | 1] as number).toFixed(2));
      handle.setAttribute("aria-valuetext", isWhole ? "everything" : scene.time(ends[i as 0 | 1]));
    });
  }

  private placeMoments(): void {
    const { data, scales, cursors } = this;
    if (!data || !scales || !cursors) return;
    for (const kind of ["at", "base"] as const) {
      const seconds = data.moments?.[kind] ?? null;
      const cursor = cursors[kind];
      cursor.hidden = seconds === null || seconds < data.scene.from || seconds > data.scene.to;
      if (seconds === null) continue;
      cursor.style.left = `${toPixel(scales.x, seconds)}px`;
      const text = data.momentText?.(seconds) ?? data.scene.time(seconds);
      const label = cursor.firstElementChild as HTMLElement;
      label.textContent = data.moments?.base === null ? text : `${kind === "at" ? "B" : "A"}  ${text}`;
      label.classList.toggle("is-left", toPixel(scales.x, seconds) > this.width - 90);
      cursor.setAttribute("aria-valuemin", data.scene.from.toFixed(2));
      cursor.setAttribute("aria-valuemax", data.scene.to.toFixed(2));
      cursor.setAttribute("aria-valuenow", seconds.toFixed(2));
      cursor.setAttribute("aria-valuetext", text);
    }
  }

  /** The peak is meant by a click near it. */
  private snapped(x: number): number {
    const peak = this.data?.scene.peak;
    if (peak && this.scales && Math.abs(toPixel(this.scales.x, peak.t) - x) <= 6) return peak.t;
    return this.timeAt(x);
  }

  private timeAt(x: number): number {
    const { data, scales } = this;
    if (!data || !scales) return 0;
    return Math.min(data.scene.to, Math.max(data.scene.from, fromPixel(scales.x, x)));
  }

  /** A window thinner than a few pixels is a slip of the hand. */
  private put(a: number, b: number): void {
    const { data } = this;
    if (!data) return;
    const from = Math.min(a, b);
    const to = Math.max(a, b);
    const smallest = (data.scene.to - data.scene.from) * (3 / Math.max(this.width, 1));
    if (to - from < smallest) return;
    data.window = { from, to };
    this.placeWindow();
    this.actions.brush(from, to);
  }

  private clear(): void {
    this.actions.brush(null, null);
  }

  private listen(): void {
    const { element } = this;
    const { signal } = this.abort;
    onResize(element, signal, (width, height) => {
      this.width = width;
      this.height = height;
      this.draw();
    });
    const x = (event: PointerEvent) => event.clientX - element.getBoundingClientRect().left;
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !this.data) return;
      const at = x(event);
      const time = this.timeAt(at);
      const { from, to } = this.data.window;
      const which = this.handles.indexOf(event.target as HTMLElement);
      const cursor = this.cursorOf(event.target);
      if (cursor) this.drag = { kind: cursor, anchor: time, moved: false };
      else if (which >= 0 && (from !== null || to !== null)) this.drag = { kind: which === 0 ? "from" : "to", anchor: time, moved: false };
      else if (from !== null && to !== null && time > from && time < to) this.drag = { kind: "move", anchor: time, moved: false };
      else this.drag = { kind: "new", anchor: time, moved: false };
      element.setPointerCapture(event.pointerId);
    }, { signal });
    element.addEventListener("pointermove", (event) => {
      const at = x(event);
      if (this.drag && this.data) this.dragTo(this.timeAt(at));
      this.point(at, event);
    }, { signal });
    element.addEventListener("pointerup", (event) => {
      const { drag } = this;
      this.drag = null;
      if (!drag || drag.moved) return;
      // A click without a drag: this moment; where there are none, outside of the window takes it away.
      if (this.actions.moment && (drag.kind === "new" || drag.kind === "move")) this.actions.moment(this.snapped(x(event)));
      else if (drag.kind === "new") this.clear();
    }, { signal });
    element.addEventListener("pointercancel", () => {
      this.drag = null;
    }, { signal });
    element.addEventListener("dblclick", () => this.clear(), { signal });
    element.addEventListener("pointerleave", () => {
      this.line.hidden = true;
      hideTooltip();
    }, { signal });
    element.addEventListener("keydown", (event) => this.onKey(event), { signal });
  }

  private cursorOf(target: EventTarget | null): "at" | "base" | null {
    const { cursors } = this;
    if (!cursors || !(target instanceof Node)) return null;
    return cursors.at.contains(target) ? "at" : cursors.base.contains(target) ? "base" : null;
  }

  private onMomentKey(event: KeyboardEvent, kind: "at" | "base"): void {
    const { data } = this;
    const now = data?.moments?.[kind] ?? null;
    if (!data || now === null) return;
    const { from, to } = data.scene;
    const step = (to - from) / (event.shiftKey ? 20 : 200);
    const forward = event.key === "ArrowRight" || event.key === "ArrowUp";
    const back = event.key === "ArrowLeft" || event.key === "ArrowDown";
    const next = forward ? now + step : back ? now - step : event.key === "Home" ? from : event.key === "End" ? to : null;
    if (next === null) return;
    event.preventDefault();
    event.stopPropagation();
    const limited = Math.min(to, Math.max(from, next));
    if (kind === "at") this.actions.moment?.(limited);
    else this.actions.moveBase?.(limited);
  }

  private dragTo(time: number): void {
    const { drag, data } = this;
    if (!drag || !data) return;
    const { scene, window: range } = data;
    const slack = (scene.to - scene.from) * (3 / Math.max(this.width, 1));
    if (!drag.moved && Math.abs(time - drag.anchor) < slack) return;
    drag.moved = true;
    const from = range.from ?? scene.from;
    const to = range.to ?? scene.to;
    if (drag.kind === "at") this.actions.moment?.(time);
    else if (drag.kind === "base") this.actions.moveBase?.(time);
    else if (drag.kind === "new") this.put(drag.anchor, time);
    else if (drag.kind === "from") this.put(Math.min(time, to), to);
    else if (drag.kind === "to") this.put(from, Math.max(time, from));
    else {
      const shift = Math.min(scene.to - to, Math.max(scene.from - from, time - drag.anchor));
      drag.anchor += shift;
      this.put(from + shift, to + shift);
    }
  }

  private point(at: number, event: PointerEvent): void {
    if (!this.data || event.pointerType === "touch") return;
    this.line.hidden = false;
    this.line.style.left = `${at}px`;
    const { title, rows } = this.data.readAt(this.timeAt(at));
    showTooltip({ title, rows }, event.clientX, event.clientY);
  }

  private onKey(event: KeyboardEvent): void {
    const cursor = this.cursorOf(event.target);
    if (cursor) return this.onMomentKey(event, cursor);
    const which = this.handles.indexOf(event.target as HTMLElement);
    if (which < 0 || !this.data) return;
    const { scene, window: range } = this.data;
    const all = scene.to - scene.from;
    const step = all / (event.shiftKey ? 10 : 50);
    const from = range.from ?? scene.from;
    const to = range.to ?? scene.to;
    const ends: [number, number] = [from, to];
    const limit = (t: number) => Math.min(scene.to, Math.max(scene.from, t));
    switch (event.key) {
      case "ArrowLeft":
      case "ArrowDown":
        ends[which as 0 | 1] = limit((ends[which as 0 | 1] as number) - step);
        break;
      case "ArrowRight":
      case "ArrowUp":
        ends[which as 0 | 1] = limit((ends[which as 0 | 1] as number) + step);
        break;
      case "Home":
        ends[which as 0 | 1] = which === 0 ? scene.from : from + step;
        break;
      case "End":
        ends[which as 0 | 1] = which === 0 ? to - step : scene.to;
        break;
      case "Delete":
      case "Backspace":
        this.clear();
        event.preventDefault();
        event.stopPropagation();
        return;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
    if (ends[1] > ends[0]) this.put(ends[0], ends[1]);
  }
}

/** The value of a series at a moment: its last point not after it. */
export function valueAt(series: { t: readonly number[]; v: readonly number[] }, seconds: number): number | null {
  const index = lastNotAfter(series.t, seconds);
  return index >= 0 ? (series.v[index] ?? null) : null;
}

