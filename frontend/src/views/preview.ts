import { serverSource } from "../api/client";
import type { Filter, Flame, ProfileRow, SeriesData } from "../api/types";
import { PACKAGE_SLOTS, packagesOf } from "../model/palette";
import { el } from "../widgets/dom";

const WIDTH = 148;
const HEIGHT = 36;
const ROWS = 6;
const POINTS = 120;
const AT_ONCE = 2;

const WHOLE: Filter = { value: "", from: null, to: null, threads: [], processes: [], states: [], domains: [], focus: null, hide: [], hideModules: [], hidePackages: [] };

/** Pictures that were made, by profile and how much it held: a list that is drawn again asks nobody. */
const made = new Map<string, HTMLCanvasElement>();
const waiting: (() => Promise<void>)[] = [];
let running = 0;

function next(): void {
  while (running < AT_ONCE) {
    const job = waiting.shift();
    if (!job) return;
    running++;
    void job().finally(() => {
      running--;
      next();
    });
  }
}

/** The first rows of the flame graph, or the memory's course, small: what was it again? Asked for when it comes in sight. */
export function previewOf(row: ProfileRow, signal: AbortSignal): HTMLElement {
  const key = `${row.id}/${row.samples}/${Math.round(row.duration_s / 10)}/${document.documentElement.dataset["theme"] ?? ""}`;
  const known = made.get(key);
  if (known) return known;
  const canvas = el("canvas", { class: "preview", width: WIDTH * 2, height: HEIGHT * 2, "aria-hidden": "true" });
  made.set(key, canvas);
  const watch = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watch.disconnect();
    waiting.push(() => draw(canvas, row, signal).catch(() => undefined));
    next();
  });
  watch.observe(canvas);
  signal.addEventListener("abort", () => watch.disconnect());
  return canvas;
}

async function draw(canvas: HTMLCanvasElement, row: ProfileRow, signal: AbortSignal): Promise<void> {
  const source = serverSource(row.id);
  const context = canvas.getContext("2d");
  if (!context) return;
  context.scale(2, 2);
  if (row.shapes.includes("stacks") || row.shapes.includes("call-graph"))
    drawFlame(context, await source.flame(WHOLE, { group: "", collapse: false, invert: false, min: 1 / WIDTH }, signal));
  else if (row.shapes.includes("series")) drawSeries(context, (await source.series([], "any", { from: null, to: null }, POINTS, signal))[0]);
}

function hue(slot: number | "other"): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--hue-${slot}`).trim();
}

function drawFlame(context: CanvasRenderingContext2D, flame: Flame): void {
  const whole = flame.rows[0]?.x1[0] ?? 1;
  const packages = packagesOf(flame.head);
  const slots = new Map<string, number>();
  const colour = (fn: number) => {
    const name = packages[fn] ?? "";
    if (!slots.has(name) && slots.size < PACKAGE_SLOTS) slots.set(name, slots.size);
    return hue(slots.get(name) ?? "other");
  };
  const height = HEIGHT / ROWS;
  flame.rows.slice(1, 1 + ROWS).forEach((row, depth) => {
    for (let i = 0; i < row.x0.length; i++) {
      const x = ((row.x0[i] as number) / whole) * WIDTH;
      const width = ((row.x1[i] as number) / whole) * WIDTH - x;
      context.fillStyle = colour(row.fn[i] as number);
      context.fillRect(x, depth * height, Math.max(0.5, width - 0.4), height - 0.5);
    }
  });
}

function drawSeries(context: CanvasRenderingContext2D, series: SeriesData | undefined): void {
  if (!series || series.v.length < 2) return;
  const most = Math.max(...series.v) || 1;
  const [first = 0] = series.t;
  const last = series.t[series.t.length - 1] ?? 1;
  context.beginPath();
  context.moveTo(0, HEIGHT);
  series.v.forEach((value, i) => context.lineTo((((series.t[i] ?? 0) - first) / (last - first || 1)) * WIDTH, HEIGHT - (value / most) * (HEIGHT - 2)));
  context.lineTo(WIDTH, HEIGHT);
  context.fillStyle = hue(0);
  context.fill();
}
