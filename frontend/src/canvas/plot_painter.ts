import type { Tokens } from "./colours";
import { ellipsize } from "../model/format";
import { byteTicks, niceTicks, timeTicks, toPixel, typicalStep, type Scale } from "./scale";

export interface PlotLine {
  t: readonly number[];
  v: readonly number[];
  /** Range of the bucket each point stands for. */
  min?: readonly number[] | undefined;
  max?: readonly number[] | undefined;
  colour: string;
  isArea: boolean;
  axis: "left" | "right";
}

export interface PlotSpan {
  from: number;
  /** The same as `from`: a mark. */
  to: number;
  name: string;
  level: number;
}

/** What lies between two curves: hatched, not a quantity of its own. */
export interface PlotBand {
  t: readonly number[];
  low: readonly number[];
  high: readonly number[];
  colour: string;
}

export interface PlotSlope {
  from: number;
  to: number;
  atFrom: number;
  atTo: number;
}

export interface PlotScene {
  lines: readonly PlotLine[];
  spans: readonly PlotSpan[];
  /** Whether spans have their names beside them. */
  hasNames: boolean;
  /** Collections of garbage: ticks along the top, full ones longer. */
  collections: readonly { t: number; generation: number }[];
  /** What rules found: a mark at the top and a line down. */
  marks: readonly number[];
  bands: readonly PlotBand[];
  slope: PlotSlope | null;
  peak: { t: number; v: number; label: string; hasLines: boolean } | null;
  from: number;
  to: number;
  isBytes: boolean;
  left(value: number): string;
  right: ((value: number) => string) | null;
  time(seconds: number): string;
  /** Top of the right axis at least; 100 for percent. */
  rightAtLeast: number;
  /** Pixels above the plot kept for the key. */
  headRoom: number;
}

export const PLOT_BOTTOM = 18;
/** Steps without a point that make a gap. */
const HELD_FROM = 2.5;

export interface PlotScales {
  x: Scale;
  left: Scale;
  right: Scale;
}

/** Series over time. Returns the scales for whoever turns pixels into times. */
export function drawPlot(
  canvas: HTMLCanvasElement,
  scene: PlotScene,
  tokens: Tokens,
  width: number,
  height: number,
  ratio: number,
): PlotScales {
  const x: Scale = { from: scene.from, to: scene.to, start: 0, end: width };
  const bottom = height - PLOT_BOTTOM;
  const left: Scale = { from: 0, to: topOf(scene, "left") * 1.12 || 1, start: bottom, end: scene.headRoom };
  const right: Scale = {
    from: 0,
    to: Math.max(scene.rightAtLeast, topOf(scene, "right")) * 1.12 || 1,
    start: bottom,
    end: scene.headRoom,
  };
  const context = canvas.getContext("2d");
  if (!context) return { x, left, right };
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.font = `11px ${tokens.font}`;

  drawGrid(context, scene, tokens, x, left, width, bottom);
  for (const band of scene.bands) drawBand(context, band, x, left);
  for (const line of scene.lines) drawLine(context, line, x, line.axis === "left" ? left : right, bottom);
  drawCollections(context, scene, tokens, x, bottom);
  drawSpans(context, scene, tokens, x, bottom);
  drawMarks(context, scene, tokens, x, bottom);
  if (scene.slope) drawSlope(context, scene.slope, tokens, x, left);
  drawAxisText(context, scene, tokens, x, left, right, width, height);
  if (scene.peak && scene.peak.t >= scene.from && scene.peak.t <= scene.to)
    drawPeak(context, scene.peak, tokens, x, left, width, scene.headRoom);
  return { x, left, right };
}

function topOf(scene: PlotScene, axis: "left" | "right"): number {
  let top = 0;
  for (const line of scene.lines) {
    if (line.axis !== axis) continue;
    for (const value of line.max ?? line.v) if (value > top) top = value;
  }
  return top;
}

function ticksOf(scene: PlotScene, left: Scale, bottom: number): number[] {
  if (!scene.lines.length) return [];
  const most = Math.max(1, Math.floor(bottom / 38));
  return scene.isBytes ? byteTicks(0, left.to, most) : niceTicks(0, left.to, most);
}

function drawGrid(
  context: CanvasRenderingContext2D,
  scene: PlotScene,
  tokens: Tokens,
  x: Scale,
  left: Scale,
  width: number,
  bottom: number,
): void {
  context.strokeStyle = tokens.line;
  context.lineWidth = 1;
  context.beginPath();
  for (const tick of ticksOf(scene, left, bottom)) {
    const y = Math.round(toPixel(left, tick)) + 0.5;
    context.moveTo(0, y);
    context.lineTo(width, y);
  }
  context.moveTo(0, bottom + 0.5);
  context.lineTo(width, bottom + 0.5);
  context.stroke();
  context.beginPath();
  for (const tick of timeTicks(x.from, x.to, Math.max(1, Math.floor(width / 110)))) {
    const at = Math.round(toPixel(x, tick)) + 0.5;
    context.moveTo(at, bottom);
    context.lineTo(at, bottom + 4);
  }
  context.stroke();
}

function drawLine(
  context: CanvasRenderingContext2D,
  line: PlotLine,
  x: Scale,
  y: Scale,
  bottom: number,
): void {
  const count = Math.min(line.t.length, line.v.length);
  if (count === 0) return;
  const px = (i: number) => toPixel(x, line.t[i] as number);
  const py = (v: number) => toPixel(y, v);
  // A series that is only told when it changes has gaps: it held its value there.
  const step = line.min ? Number.POSITIVE_INFINITY : typicalStep(line.t);
  const curve = () => {
    for (let i = 0; i < count; i++) {
      const t = line.t[i] as number;
      if (i > 0 && t - (line.t[i - 1] as number) > HELD_FROM * step)
        context.lineTo(toPixel(x, t - step), py(line.v[i - 1] as number));
      context.lineTo(px(i), py(line.v[i] as number));
    }
  };
  context.lineJoin = "round";
  if (line.isArea) {
    context.beginPath();
    context.moveTo(px(0), bottom);
    curve();
    context.lineTo(px(count - 1), bottom);
    context.closePath();
    const shade = context.createLinearGradient(0, 0, 0, bottom);
    shade.addColorStop(0, line.colour);
    shade.addColorStop(1, `${line.colour}1a`);
    context.globalAlpha = 0.34;
    context.fillStyle = shade;
    context.fill();
    context.globalAlpha = 1;
  }
  if (line.min && line.max) {
    context.beginPath();
    for (let i = 0; i < count; i++) context.lineTo(px(i), py(line.max[i] ?? 0));
    for (let i = count - 1; i >= 0; i--) context.lineTo(px(i), py(line.min[i] ?? 0));
    context.closePath();
    context.globalAlpha = 0.28;
    context.fillStyle = line.colour;
    context.fill();
    context.globalAlpha = 1;
  }
  context.strokeStyle = line.colour;
  context.lineWidth = line.isArea ? 1.75 : 1.2;
  context.globalAlpha = line.axis === "right" ? 0.75 : 1;
  context.beginPath();
  curve();
  if (count === 1) context.lineTo(px(0) + 1, py(line.v[0] as number));
  context.stroke();
  context.globalAlpha = 1;
}

const HATCH_STEP = 7;

function drawBand(context: CanvasRenderingContext2D, band: PlotBand, x: Scale, y: Scale): void {
  const count = band.t.length;
  if (count < 2) return;
  const px = (i: number) => toPixel(x, band.t[i] as number);
  context.save();
  context.beginPath();
  for (let i = 0; i < count; i++) context.lineTo(px(i), toPixel(y, band.high[i] as number));
  for (let i = count - 1; i >= 0; i--) context.lineTo(px(i), toPixel(y, band.low[i] as number));
  context.closePath();
  context.globalAlpha = 0.1;
  context.fillStyle = band.colour;
  context.fill();
  context.clip();
  context.globalAlpha = 0.4;
  context.strokeStyle = band.colour;
  context.lineWidth = 1;
  context.beginPath();
  const [left, right] = [px(0), px(count - 1)];
  const tall = Math.abs(y.start - y.end);
  for (let at = Math.floor((left - tall) / HATCH_STEP) * HATCH_STEP; at < right; at += HATCH_STEP) {
    context.moveTo(at, y.start);
    context.lineTo(at + tall, y.start - tall);
  }
  context.stroke();
  context.restore();
}

function drawCollections(context: CanvasRenderingContext2D, scene: PlotScene, tokens: Tokens, x: Scale, bottom: number): void {
  if (!scene.collections.length) return;
  const top = scene.headRoom;
  const drawn = new Set<number>();
  context.strokeStyle = tokens.inkSoft;
  context.lineWidth = 1;
  context.beginPath();
  for (const { t, generation } of scene.collections) {
    const at = Math.round(toPixel(x, t)) + 0.5;
    // Many runs fall on one pixel: one tick says it.
    const key = at * 4 + Math.min(generation, 3);
    if (t < scene.from || t > scene.to || drawn.has(key)) continue;
    drawn.add(key);
    context.moveTo(at, top);
    context.lineTo(at, top + 4 + 3 * generation);
  }
  context.globalAlpha = 0.8;
  context.stroke();
  context.globalAlpha = 0.25;
  context.setLineDash([2, 4]);
  context.beginPath();
  for (const { t, generation } of scene.collections) {
    if (generation < 2 || t < scene.from || t > scene.to) continue;
    const at = Math.round(toPixel(x, t)) + 0.5;
    if (!drawn.delete(at * 4 + 2)) continue;
    context.moveTo(at, top + 10);
    context.lineTo(at, bottom);
  }
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
}

function drawSlope(context: CanvasRenderingContext2D, slope: PlotSlope, tokens: Tokens, x: Scale, y: Scale): void {
  context.strokeStyle = tokens.ink;
  context.globalAlpha = 0.7;
  context.lineWidth = 1.25;
  context.setLineDash([6, 4]);
  context.beginPath();
  context.moveTo(toPixel(x, slope.from), toPixel(y, slope.atFrom));
  context.lineTo(toPixel(x, slope.to), toPixel(y, slope.atTo));
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
}

const LANES = 4;
const LANE_HIGH = 12;

function drawMarks(context: CanvasRenderingContext2D, scene: PlotScene, tokens: Tokens, x: Scale, bottom: number): void {
  const top = Math.max(scene.headRoom, 8);
  context.strokeStyle = context.fillStyle = tokens.bad;
  context.lineWidth = 1;
  for (const t of scene.marks) {
    if (t < scene.from || t > scene.to) continue;
    const at = Math.round(toPixel(x, t)) + 0.5;
    context.beginPath();
    context.moveTo(at - 5, top - 8);
    context.lineTo(at + 5, top - 8);
    context.lineTo(at, top);
    context.closePath();
    context.fill();
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(at, top);
    context.lineTo(at, bottom);
    context.stroke();
    context.setLineDash([]);
  }
}

/** mprof's brackets: where a function ran, with its name where there is room. */
function drawSpans(
  context: CanvasRenderingContext2D,
  scene: PlotScene,
  tokens: Tokens,
  x: Scale,
  bottom: number,
): void {
  const colourOf = new Map<string, string>();
  context.textBaseline = "middle";
  context.textAlign = "left";
  for (const span of scene.spans) {
    let colour = colourOf.get(span.name);
    if (!colour) colourOf.set(span.name, (colour = tokens.plot[(colourOf.size + 3) % tokens.plot.length] ?? tokens.ink));
    const from = toPixel(x, span.from);
    const to = toPixel(x, Math.min(span.to, scene.to));
    if (to < 0 || from > x.end) continue;
    const y = bottom - 8 - (span.level % LANES) * LANE_HIGH;
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = 2;
    context.beginPath();
    if (span.to <= span.from) {
      context.moveTo(from, y - 5);
      context.lineTo(from + 4, y);
      context.lineTo(from, y + 5);
      context.lineTo(from - 4, y);
      context.closePath();
      context.fill();
    } else {
      context.moveTo(from + 3, y - 4);
      context.lineTo(from, y - 4);
      context.lineTo(from, y + 4);
      context.lineTo(from + 3, y + 4);
      if (to - from > 6) {
        context.moveTo(to - 3, y - 4);
        context.lineTo(to, y - 4);
        context.lineTo(to, y + 4);
        context.lineTo(to - 3, y + 4);
      }
      context.stroke();
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(from, y);
      context.lineTo(to, y);
      context.stroke();
    }
    const start = Math.max(from, 0) + 7;
    const room = (span.to <= span.from ? from + 130 : to - 6) - start;
    const text = scene.hasNames && room > 24 ? fitText(context, span.name, room) : "";
    if (!text) continue;
    context.lineWidth = 4;
    context.strokeStyle = `rgb(${tokens.background.join(" ")})`;
    context.fillStyle = tokens.ink;
    context.strokeText(text, start, y);
    context.fillText(text, start, y);
  }
}

function fitText(context: CanvasRenderingContext2D, text: string, room: number): string {
  if (context.measureText(text).width <= room) return text;
  for (let length = Math.min(text.length - 1, Math.floor(room / 4)); length >= 3; length--) {
    const short = ellipsize(text, length);
    if (context.measureText(short).width <= room) return short;
  }
  return "";
}

function drawAxisText(
  context: CanvasRenderingContext2D,
  scene: PlotScene,
  tokens: Tokens,
  x: Scale,
  left: Scale,
  right: Scale,
  width: number,
  height: number,
): void {
  const bottom = height - PLOT_BOTTOM;
  context.fillStyle = tokens.inkSoft;
  context.strokeStyle = `rgb(${tokens.background.join(" ")})`;
  context.lineWidth = 3;
  context.textBaseline = "alphabetic";
  context.textAlign = "left";
  const write = (text: string, at: number, y: number) => {
    context.strokeText(text, at, y);
    context.fillText(text, at, y);
  };
  for (const tick of ticksOf(scene, left, bottom)) {
    const y = toPixel(left, tick);
    if (tick > 0 && y > 11) write(scene.left(tick), 6, y - 3);
  }
  if (scene.right && scene.lines.some((l) => l.axis === "right")) {
    context.textAlign = "right";
    for (const tick of niceTicks(0, right.to, Math.max(1, Math.floor(bottom / 40)))) {
      const y = toPixel(right, tick);
      if (tick > 0 && y > 22) write(scene.right(tick), width - 6, y - 3);
    }
  }
  const times = timeTicks(x.from, x.to, Math.max(1, Math.floor(width / 110)));
  for (const tick of times) {
    const at = toPixel(x, tick);
    context.textAlign = at < 24 ? "left" : at > width - 24 ? "right" : "center";
    context.fillText(scene.time(tick), Math.min(Math.max(at, 6), width - 6), height - 4);
  }
}

function drawPeak(
  context: CanvasRenderingContext2D,
  peak: NonNullable<PlotScene["peak"]>,
  tokens: Tokens,
  x: Scale,
  left: Scale,
  width: number,
  headRoom: number,
): void {
  const at = toPixel(x, peak.t);
  const y = toPixel(left, peak.v);
  if (peak.hasLines) {
    context.strokeStyle = tokens.inkSoft;
    context.globalAlpha = 0.55;
    context.lineWidth = 1;
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(0, Math.round(y) + 0.5);
    context.lineTo(width, Math.round(y) + 0.5);
    context.moveTo(Math.round(at) + 0.5, y);
    context.lineTo(Math.round(at) + 0.5, left.start);
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
  }
  context.fillStyle = tokens.ink;
  context.beginPath();
  context.arc(at, y, 3.2, 0, Math.PI * 2);
  context.fill();
  const room = context.measureText(peak.label).width;
  const isLeft = at + room + 14 > width && at - room - 12 > 60;
  context.textAlign = isLeft ? "right" : "left";
  context.textBaseline = "middle";
  context.lineWidth = 3;
  context.strokeStyle = `rgb(${tokens.background.join(" ")})`;
  const labelX = isLeft ? at - 8 : Math.max(4, Math.min(at + 8, width - room - 6));
  const labelY = Math.max(headRoom + 8, y - 1);
  context.strokeText(peak.label, labelX, labelY);
  context.fillText(peak.label, labelX, labelY);
}
