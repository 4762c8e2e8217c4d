import type { BenchmarkLine } from "../api/types";

/** One benchmark's means as a path in a box of width × height, from 0 at its foot to its largest. */
export function historyPath(line: BenchmarkLine, runs: number, width: number, height: number): string {
  const most = Math.max(...line.points.map((p) => p.mean_s), Number.MIN_VALUE);
  const step = runs > 1 ? width / (runs - 1) : 0;
  return line.points
    .map((p, i) => `${i ? "L" : "M"}${(p.run * step).toFixed(1)} ${(height - (p.mean_s / most) * height).toFixed(1)}`)
    .join("");
}

/** The latest point when it is of its machine's latest run. */
export function latestPoint(line: BenchmarkLine, latestRun: number): BenchmarkLine["points"][number] | null {
  const last = line.points[line.points.length - 1];
  return last && last.run === latestRun ? last : null;
}
