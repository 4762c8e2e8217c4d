import { pixel, type Tokens } from "./colours";
import { Hatch } from "./hatch";
import { paintLine, wideBoxes, type Domain, type WideBoxes } from "./flame_layout";
import type { BoxColumns } from "./rows";
import { safeName, TextFitter } from "./text";

const ROW_LEAST = 20; // CSS pixels
const ROW_MOST = 26;
const FONT_SIZE = 12;
const TEXT_FROM = 22; // CSS pixels: narrower boxes carry no text

export interface FlameScene {
  rows: readonly BoxColumns[];
  /** ImageData pixels by function. */
  colours: Uint32Array;
  label(fn: number): string;
  share(width: number, depth: number, index: number): string;
  domain: Domain;
  scroll: number;
  rowHeight: number;
  isFlipped: boolean;
  /** By function: 0 = dimmed, text too. */
  hits: Uint8Array | null;
}

type Placement = Pick<FlameScene, "scroll" | "rowHeight" | "isFlipped">;

/** Rows grow a little when there are few. */
export function rowHeightFor(rows: number, height: number): number {
  return Math.max(ROW_LEAST, Math.min(ROW_MOST, Math.floor(height / Math.max(rows, 1))));
}

/**
 * Draws a flame graph of any size in a few milliseconds: boxes are written as pixels, one line for
 * each row, and only what is wide enough gets text.
 */
export class FlamePainter {
  private readonly context: CanvasRenderingContext2D;
  private readonly text: TextFitter;
  private image: ImageData | null = null;
  private font = "";
  private wide: WideBoxes[] = [];
  private readonly hatch = new Hatch();
  private isOverlayBlank = true;

  constructor(private readonly canvas: HTMLCanvasElement) {
    const context = canvas.getContext("2d", { alpha: false });
    if (!context) throw new Error("this browser has no canvas");
    this.context = context;
    this.text = new TextFitter(context);
  }

  /** CSS pixels from the top of the canvas to the top of a row. */
  static rowTop(depth: number, scene: Placement, height: number): number {
    const top = depth * scene.rowHeight - scene.scroll;
    return scene.isFlipped ? height - top - scene.rowHeight : top;
  }

  static depthAt(y: number, scene: Placement, height: number): number {
    return Math.floor(((scene.isFlipped ? height - y : y) + scene.scroll) / scene.rowHeight);
  }

  draw(scene: FlameScene, tokens: Tokens, width: number, height: number, ratio: number): void {
    const { canvas, context } = this;
    const w = Math.max(1, Math.round(width * ratio));
    const h = Math.max(1, Math.round(height * ratio));
    if (canvas.width !== w || canvas.height !== h) {
      canvas.width = w;
      canvas.height = h;
      this.image = null;
    }
    this.image ??= context.createImageData(w, h);
    const pixels = new Uint32Array(this.image.data.buffer);
    const background = pixel(tokens.background);
    pixels.fill(background);

    const first = Math.max(0, Math.floor(scene.scroll / scene.rowHeight));
    const last = Math.min(scene.rows.length - 1, Math.floor((scene.scroll + height) / scene.rowHeight));
    for (let depth = first; depth <= last; depth++) {
      const top = Math.round(FlamePainter.rowTop(depth, scene, height) * ratio);
      const bottom = Math.round(top + scene.rowHeight * ratio) - Math.max(1, Math.round(ratio));
      const from = Math.max(0, top);
      const to = Math.min(h, bottom);
      const wide = this.wideOf(depth - first, w);
      if (to <= from) {
        wide.length = 0;
        continue;
      }
      const line = pixels.subarray(from * w, from * w + w);
      paintLine(
        line,
        scene.rows[depth] as BoxColumns,
        scene.domain,
        scene.colours,
        background,
        wide,
        Math.round(4 * ratio),
      );
      for (let y = from + 1; y < to; y++) pixels.copyWithin(y * w, from * w, from * w + w);
    }
    context.putImageData(this.image, 0, 0);

    context.setTransform(1, 0, 0, 1, 0, 0);
    const font = `${FONT_SIZE * ratio}px ${tokens.font}`;
    if (font !== this.font) this.text.reset();
    this.font = font;
    context.font = font;
    context.textBaseline = "middle";
    for (let depth = first; depth <= last; depth++) {
      const top = FlamePainter.rowTop(depth, scene, height) * ratio;
      this.drawRow(scene, tokens, depth, depth - first, top, ratio);
    }
  }

  private wideOf(index: number, width: number): WideBoxes {
    const capacity = Math.ceil(width / 3) + 2;
    let wide = this.wide[index];
    if (!wide || wide.index.length < capacity) this.wide[index] = wide = wideBoxes(capacity);
    return wide;
  }

  private drawRow(
    scene: FlameScene,
    tokens: Tokens,
    depth: number,
    slot: number,
    top: number,
    ratio: number,
  ): void {
    const { context } = this;
    const row = scene.rows[depth] as BoxColumns;
    const wide = this.wide[slot];
    if (!wide) return;
    const middle = top + (scene.rowHeight / 2) * ratio;
    for (let k = 0; k < wide.length; k++) {
      const i = wide.index[k] as number;
      const left = wide.left[k] as number;
      const room = (wide.right[k] as number) - left;
      const fn = row.fn[i] as number;
      if (row.flags && ((row.flags[i] as number) & 1) !== 0) {
        context.fillStyle = this.hatch.style(context, tokens, ratio);
        context.fillRect(left, top, room - 1, (scene.rowHeight - 1) * ratio);
      }
      if (room < TEXT_FROM * ratio) continue;
      const isDim = scene.hits !== null && scene.hits[fn] !== 1;
      const isEstimate = row.flags !== null && ((row.flags[i] as number) & 1) !== 0;
      const name = (isEstimate ? "≈ " : "") + safeName(scene.label(fn));
      const inside = room - 10 * ratio;
      const label = this.text.fit(name, inside);
      if (!label) continue;
      context.fillStyle = isDim ? tokens.inkSoft : tokens.boxInk;
      context.fillText(label, left + 5 * ratio, middle);
      if (label !== name || isDim) continue;
      const share = scene.share((row.x1[i] as number) - (row.x0[i] as number), depth, i);
      const used = this.text.width(label);
      const needs = this.text.width(share);
      if (used + needs + 14 * ratio > inside) continue;
      context.globalAlpha = 0.62;
      context.fillText(share, left + 5 * ratio + used + 9 * ratio, middle);
      context.globalAlpha = 1;
    }
  }

  /** What lies on top: the box under the pointer, the cursor, every box of the chosen function. */
  drawOverlay(
    overlay: HTMLCanvasElement,
    scene: FlameScene,
    marks: { selected: number; hover: { depth: number; index: number } | null; cursor: { depth: number; index: number } | null },
    tokens: Tokens,
    width: number,
    height: number,
    ratio: number,
  ): void {
    const isBlank = marks.selected < 0 && !marks.hover && !marks.cursor;
    if (isBlank && this.isOverlayBlank) return; // a canvas that is touched is sent to the screen whole
    const context = overlay.getContext("2d");
    if (!context) return;
    this.isOverlayBlank = isBlank;
    overlay.width = Math.max(1, Math.round(width * ratio));
    overlay.height = Math.max(1, Math.round(height * ratio));
    context.scale(ratio, ratio);
    const scale = width / (scene.domain.hi - scene.domain.lo);
    const outline = (depth: number, x0: number, x1: number, colour: string, thickness: number) => {
      const left = Math.max(-4, (x0 - scene.domain.lo) * scale);
      const right = Math.min(width + 4, (x1 - scene.domain.lo) * scale);
      const top = FlamePainter.rowTop(depth, scene, height);
      context.strokeStyle = colour;
      context.lineWidth = thickness;
      context.strokeRect(
        left + thickness / 2,
        top + thickness / 2 - 0.5,
        Math.max(1, right - left - thickness - 0.5),
        scene.rowHeight - thickness,
      );
    };
    if (marks.selected >= 0) {
      const first = Math.max(0, Math.floor(scene.scroll / scene.rowHeight));
      this.wide.forEach((wide, slot) => {
        const row = scene.rows[first + slot];
        if (!row) return;
        for (let k = 0; k < wide.length; k++) {
          const i = wide.index[k] as number;
          if (row.fn[i] === marks.selected)
            outline(first + slot, row.x0[i] as number, row.x1[i] as number, tokens.ink, 1.5);
        }
      });
    }
    for (const [box, colour] of [
      [marks.cursor, tokens.accent],
      [marks.hover, tokens.ink],
    ] as const) {
      const row = box ? scene.rows[box.depth] : undefined;
      if (!box || !row || box.index >= row.x0.length) continue;
      outline(box.depth, row.x0[box.index] as number, row.x1[box.index] as number, colour, 2);
    }
  }
}
