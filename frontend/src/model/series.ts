import type { SeriesData } from "../api/types";

/**
 * A program that has gone has no memory: the last points of its series say 0. That is no fall worth
 * drawing; the line ends with the program.
 */
export function endBeforeExit(series: SeriesData): SeriesData {
  if (series.unit !== "bytes") return series;
  let end = series.v.length;
  while (end > 0 && series.v[end - 1] === 0) end--;
  if (end === 0 || end === series.v.length) return series;
  const cut = { ...series, t: series.t.slice(0, end), v: series.v.slice(0, end) };
  if (series.min) cut.min = series.min.slice(0, end);
  if (series.max) cut.max = series.max.slice(0, end);
  return cut;
}
