import { cssOf, type Tokens } from "./colours";
import { Hatch } from "./hatch";
import type { BoxColumns } from "./rows";
import { layoutArcs, layoutRim, ringRadius, type Arc, type SunburstFrame } from "./sunburst_layout";
import { safeName, TextFitter } from "./text";

export interface SunburstScene {
  rows: readonly BoxColumns[];
  colours: Uint32Array;
  label(fn: number): string;
  frame: SunburstFrame;
  hits: Uint8Array | null;
  /** No labels while it moves. */
  isMoving: boolean;
}

const TURN = Math.PI * 2;
const FONT_SIZE = 11.5;

export class SunburstPainter {
  private readonly context: CanvasRenderingContext2D;
  private readonly text: TextFitter;
  private readonly hatch = new Hatch();
  private font = "";

  constructor(private readonly canvas: HTMLCanvasElement) {
    const context = canvas.getContext("2d");
    if (!context) throw new Error("this browser has no canvas");
    this.context = context;
    this.text = new TextFitter(context);
  }

  draw(scene: SunburstScene, tokens: Tokens, width: number, height: number, ratio: number): void {
    const { canvas, context } = this;
    const w = Math.max(1, Math.round(width * ratio));
    const h = Math.max(1, Math.round(height * ratio));
    if (canvas.width !== w || canvas.height !== h) {
      canvas.width = w;
      canvas.height = h;
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, w, h);
    context.setTransform(ratio, 0, 0, ratio, (width / 2) * ratio, (height / 2) * ratio);

    const arcs = layoutArcs(scene.rows, scene.frame);
    const surface = cssOf(
      (0xff000000 |
        (tokens.background[2] << 16) |
        (tokens.background[1] << 8) |
        tokens.background[0]) >>>
        0,
    );
    for (const arc of arcs) {
      const row = scene.rows[arc.depth] as BoxColumns;
      const fn = arc.index >= 0 ? (row.fn[arc.index] as number) : -1;
      tracePath(context, arc);
      context.fillStyle = fn >= 0 ? cssOf(scene.colours[(row.tint ?? row.fn)[arc.index] as number] as number) : tokens.line;
      context.fill();
      if (arc.index >= 0 && row.flags && ((row.flags[arc.index] as number) & 1) !== 0)
        this.fillHatch(arc, tokens, ratio);
      const length = (arc.a1 - arc.a0) * ((arc.r0 + arc.r1) / 2);
      if (length > 2.5 && arc.r0 > 0) {
        context.strokeStyle = surface;
        context.lineWidth = length > 8 ? 1.2 : 0.6;
        context.stroke();
      }
    }
    if (scene.isMoving) return;
    context.fillStyle = tokens.inkSoft;
    for (const arc of layoutRim(scene.rows, scene.frame)) {
      tracePath(context, arc);
      context.fill();
    }
    const font = `${FONT_SIZE}px ${tokens.font}`;
    context.font = font;
    if (font !== this.font) {
      this.font = font;
      this.text.reset();
    }
    context.textBaseline = "middle";
    context.textAlign = "center";
    for (const arc of arcs) {
      if (arc.index < 0 || arc.r0 <= ringRadius(scene.frame, 0.5)) continue;
      const row = scene.rows[arc.depth] as BoxColumns;
      const fn = row.fn[arc.index] as number;
      const isDim = scene.hits !== null && scene.hits[fn] !== 1;
      context.fillStyle = isDim ? tokens.inkSoft : tokens.boxInk;
      const isEstimate = row.flags !== null && ((row.flags[arc.index] as number) & 1) !== 0;
      this.label(arc, (isEstimate ? "≈ " : "") + safeName(scene.label(fn)));
    }
  }

  /** Over the path that is traced already. */
  private fillHatch(arc: Arc, tokens: Tokens, ratio: number): void {
    if ((arc.a1 - arc.a0) * arc.r1 < 4) return;
    this.context.fillStyle = this.hatch.style(this.context, tokens, ratio);
    this.context.fill();
  }

  /** Along the arc where it is long enough, else outwards where the ring is thick enough. */
  private label(arc: Arc, name: string): void {
    const { context } = this;
    const radius = (arc.r0 + arc.r1) / 2;
    const thickness = arc.r1 - arc.r0;
    const length = (arc.a1 - arc.a0) * radius;
    const middle = (arc.a0 + arc.a1) / 2;
    if (thickness >= 13 && length >= 40) {
      const fitted = this.text.fit(name, length - 12);
      if (fitted) {
        this.curved(fitted, radius, middle);
        return;
      }
    }
    if (thickness < 34 || (arc.a1 - arc.a0) * arc.r0 < 12) return;
    const fitted = this.text.fit(name, thickness - 9);
    if (!fitted) return;
    const isLeft = middle > Math.PI;
    context.save();
    context.rotate(middle - Math.PI / 2);
    context.translate(radius, 0);
    if (isLeft) context.rotate(Math.PI);
    context.fillText(fitted, 0, 0.5);
    context.restore();
  }

  private curved(text: string, radius: number, middle: number): void {
    const { context } = this;
    const isLower = middle > Math.PI / 2 && middle < Math.PI * 1.5;
    const direction = isLower ? -1 : 1;
    const glyphs = [...text];
    let width = 0;
    for (const glyph of glyphs) width += this.text.width(glyph);
    let angle = middle - (direction * width) / 2 / radius;
    for (const glyph of glyphs) {
      const advance = this.text.width(glyph) / radius;
      angle += (direction * advance) / 2;
      context.save();
      context.rotate(angle);
      context.translate(0, -radius);
      if (isLower) context.rotate(Math.PI);
      context.fillText(glyph, 0, 0.5);
      context.restore();
      angle += (direction * advance) / 2;
    }
  }

  /** The arc under the pointer, and every arc of the chosen function. */
  drawOverlay(
    overlay: HTMLCanvasElement,
    scene: SunburstScene,
    marks: {
      selected: number;
      hover: { depth: number; index: number } | null;
      cursor: { depth: number; index: number } | null;
    },
    tokens: Tokens,
    width: number,
    height: number,
    ratio: number,
  ): void {
    const context = overlay.getContext("2d");
    if (!context) return;
    overlay.width = Math.max(1, Math.round(width * ratio));
    overlay.height = Math.max(1, Math.round(height * ratio));
    context.setTransform(ratio, 0, 0, ratio, (width / 2) * ratio, (height / 2) * ratio);
    if (marks.selected < 0 && !marks.hover && !marks.cursor) return;
    for (const arc of layoutArcs(scene.rows, scene.frame)) {
      if (arc.index < 0) continue;
      const row = scene.rows[arc.depth] as BoxColumns;
      const is = (box: { depth: number; index: number } | null) =>
        box !== null && box.depth === arc.depth && box.index === arc.index;
      const isHover = is(marks.hover);
      const isCursor = is(marks.cursor);
      if (!isHover && !isCursor && row.fn[arc.index] !== marks.selected) continue;
      tracePath(context, arc);
      context.strokeStyle = isCursor ? tokens.accent : tokens.ink;
      context.lineWidth = isHover || isCursor ? 2.4 : 1.5;
      context.stroke();
    }
  }
}

function tracePath(context: CanvasRenderingContext2D, arc: Arc): void {
  const from = arc.a0 - Math.PI / 2;
  const to = arc.a1 - Math.PI / 2;
  context.beginPath();
  if (arc.a1 - arc.a0 >= TURN - 1e-9) {
    context.arc(0, 0, arc.r1, 0, TURN);
    if (arc.r0 > 0) {
      context.moveTo(arc.r0, 0);
      context.arc(0, 0, arc.r0, 0, TURN, true);
    }
  } else {
    context.arc(0, 0, arc.r1, from, to);
    context.arc(0, 0, arc.r0, to, from, true);
  }
  context.closePath();
}
