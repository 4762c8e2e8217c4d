/** Axis arithmetic. */

export interface Scale {
  from: number;
  to: number;
  /** Pixels. */
  start: number;
  end: number;
}

export function toPixel(scale: Scale, value: number): number {
  const span = scale.to - scale.from || 1;
  return scale.start + ((value - scale.from) / span) * (scale.end - scale.start);
}

export function fromPixel(scale: Scale, pixel: number): number {
  const span = scale.end - scale.start || 1;
  return scale.from + ((pixel - scale.start) / span) * (scale.to - scale.from);
}

/** Round steps (1, 2, 5 times a power of ten) that give at most `most` ticks. */
export function niceTicks(from: number, to: number, most: number): number[] {
  if (!(to > from) || most < 1) return [];
  const rough = (to - from) / most;
  const power = Math.pow(10, Math.floor(Math.log10(rough)));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999) ?? power * 10;
  return stepped(from, to, step);
}

/** Bytes are counted in twos: 64 MiB, 128 MiB, 192 MiB... */
export function byteTicks(from: number, to: number, most: number): number[] {
  if (!(to > from) || most < 1) return [];
  let step = 1;
  const rough = (to - from) / most;
  while (step < rough) step *= 2;
  return stepped(from, to, step);
}

const CLOCK_STEPS = [
  1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2,
  0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
];

/** Seconds, then minutes and hours as a clock divides them. */
export function timeTicks(from: number, to: number, most: number): number[] {
  if (!(to > from) || most < 1) return [];
  const rough = (to - from) / most;
  let step = CLOCK_STEPS.find((s) => s >= rough);
  if (step === undefined) step = Math.ceil(rough / 86400) * 86400;
  return stepped(from, to, step);
}

function stepped(from: number, to: number, step: number): number[] {
  const ticks: number[] = [];
  const first = Math.ceil(from / step - 1e-9);
  for (let i = first; i * step <= to + step * 1e-9 && ticks.length < 200; i++)
    ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

/** Index of the last item of a sorted list that is not after x; -1 when all are. */
export function lastNotAfter(sorted: readonly number[], x: number): number {
  let lo = 0;
  let hi = sorted.length;
  while (lo < hi) {
    const mid = (lo + hi) >>> 1;
    if ((sorted[mid] as number) <= x) lo = mid + 1;
    else hi = mid;
  }
  return lo - 1;
}

/** The lower quartile of the distances between moments: how often a series is told. */
export function typicalStep(t: readonly number[]): number {
  const steps: number[] = [];
  const stride = Math.max(1, Math.floor(t.length / 500));
  for (let i = 1; i < t.length; i += stride) steps.push((t[i] as number) - (t[i - 1] as number));
  steps.sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 4)] ?? 0;
}
