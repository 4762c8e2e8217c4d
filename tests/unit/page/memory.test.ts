import assert from "node:assert/strict";
import { test } from "node:test";

import type { Profile, SeriesData } from "../../../frontend/src/api/types";
import { beyond, endTogether, errorText, hasHeap, histogram, isHeapKey, measureOf, robustSlope, sampleStep } from "../../../frontend/src/model/memory";
import { USUAL } from "../../../frontend/src/state/url";

function series(name: string, points: [number, number][]): SeriesData {
  return { name, unit: "bytes", process: null, t: points.map((p) => p[0]), v: points.map((p) => p[1]), total_points: points.length };
}

const ended = { state: "complete", values: [{ set: "heap", name: "leaked" }] } as unknown as Profile;

test("memory: a slope is that of most points, whatever one peak does", () => {
  const points: [number, number][] = Array.from({ length: 100 }, (_, i) => [i, 1000 + 50 * i]);
  (points[40] as [number, number])[1] = 1e9;
  const slope = robustSlope(series("rss", points), 0, 99);
  assert.ok(Math.abs((slope?.perSecond ?? 0) - 50) < 1);
  assert.ok(Math.abs((slope?.atZero ?? 0) - 1000) < 50);
  assert.equal(robustSlope(series("rss", points), 10, 11), null, "two points are no trend");
});

test("memory: a slope of many points takes some of them", () => {
  const many: [number, number][] = Array.from({ length: 50_000 }, (_, i) => [i / 10, 7 * i]);
  assert.ok(Math.abs((robustSlope(series("rss", many), 0, 5000)?.perSecond ?? 0) - 70) < 1);
});

test("memory: who grew for two seconds and rested for twelve does not grow", () => {
  // Written down when it changes: most points lie where it changed.
  const points: [number, number][] = Array.from({ length: 200 }, (_, i) => [i / 100, i * 1e6]);
  points.push([8, 199e6], [14, 199e6]);
  assert.equal(robustSlope(series("heap", points), 0, 14)?.perSecond, 0);
});

test("memory: of a program that has ended the heap stops where RSS stops", () => {
  const rss = series("rss", [[0, 10], [1, 20], [2, 15]]);
  const [cut, kept] = endTogether([series("heap", [[0.5, 12], [1.9, 9], [2.1, 9], [2.2, 1]]), rss]);
  assert.deepEqual(cut?.t, [0.5, 1.9, 2]);
  assert.deepEqual(cut?.v, [12, 9, 9], "what is freed while the interpreter goes is not the program's");
  assert.equal(kept, rss);
  const alone = series("heap", [[0, 1], [9, 2]]);
  assert.deepEqual(endTogether([alone]), [alone]);
});

test("memory: what RSS has beyond the heap is never less than nothing", () => {
  const band = beyond(series("rss", [[0, 10], [1, 20], [2, 15]]), series("heap", [[0.5, 12], [1.5, 18]]));
  assert.deepEqual(band, { t: [1, 2], low: [12, 15], high: [20, 15] });
});

test("memory: a histogram has the empty bars between too", () => {
  const bars = histogram({ heap_size_below_64: 5, heap_size_below_512: 2, heap_size_below_1024: 0, heap_events: 9 }, "heap_size_below");
  assert.deepEqual(bars.map((b) => [b.from, b.below, b.count]), [[32, 64, 5], [64, 128, 0], [128, 256, 0], [256, 512, 2]]);
  assert.deepEqual(histogram({ heap_life_ms_below_1: 3 }, "heap_life_ms_below"), [{ below: 1, from: 0, count: 3 }]);
  assert.deepEqual(histogram({}, "heap_size_below"), []);
});

test("memory: the question decides what is ranked", () => {
  assert.equal(measureOf(USUAL, ended), "peak");
  assert.equal(measureOf(USUAL, { ...ended, state: "live" }), "in_use");
  assert.equal(measureOf({ ...USUAL, at: 3 }, ended), "in_use");
  assert.equal(measureOf({ ...USUAL, base: 3 }, ended), "grown");
  assert.equal(measureOf({ ...USUAL, measure: "grown" }, ended), "peak", "nothing to compare with");
  assert.equal(measureOf({ ...USUAL, base: 3, measure: "freed" }, ended), "freed");
});

test("memory: which values a moment is a question about", () => {
  assert.ok(hasHeap(ended));
  assert.ok(isHeapKey("in_use") && isHeapKey("heap.allocated"));
  assert.ok(!isHeapKey("wall") && !isHeapKey(""));
});

test("memory: an estimate's error is that of the longest step of the run", () => {
  const sampled = { ...ended, counters: { heap_every_bytes: 524288, heap_every_bytes_most: 2097152 } };
  assert.equal(sampleStep(sampled), 2097152);
  assert.equal(sampleStep({ ...ended, counters: {} }), 0);
  assert.equal(errorText(2 ** 25, 2 ** 21), "± 8.00 MiB");
  assert.equal(errorText(2 ** 25, 0), "");
});
