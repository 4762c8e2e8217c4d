import assert from "node:assert/strict";
import { test } from "node:test";

import { byteTicks, fromPixel, lastNotAfter, niceTicks, timeTicks, toPixel, typicalStep } from "../../../frontend/src/canvas/scale";

test("scale: pixels and values go both ways", () => {
  const scale = { from: 10, to: 20, start: 0, end: 500 };
  assert.equal(toPixel(scale, 15), 250);
  assert.equal(fromPixel(scale, 250), 15);
  const down = { from: 0, to: 8, start: 100, end: 0 };
  assert.equal(toPixel(down, 8), 0);
});

test("scale: ticks are round and no more than asked for", () => {
  assert.deepEqual(niceTicks(0, 10, 5), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(niceTicks(0, 1, 4), [0, 0.5, 1]);
  assert.deepEqual(byteTicks(0, 100 * 1024 * 1024, 4), [0, 32, 64, 96].map((m) => m * 1024 * 1024));
  assert.deepEqual(timeTicks(0, 60, 4), [0, 15, 30, 45, 60]);
  assert.deepEqual(timeTicks(0, 86400, 4), [0, 21600, 43200, 64800, 86400]);
  assert.deepEqual(niceTicks(5, 5, 3), []);
});

test("scale: the last point that is not after a moment", () => {
  assert.equal(lastNotAfter([1, 2, 2, 5], 2), 2);
  assert.equal(lastNotAfter([1, 2, 2, 5], 0), -1);
  assert.equal(lastNotAfter([1, 2, 2, 5], 99), 3);
  assert.equal(lastNotAfter([], 1), -1);
});

test("scale: how often a series is told, gaps or not", () => {
  assert.equal(typicalStep([0, 1, 2, 3, 9, 10, 20]), 1);
  assert.equal(typicalStep([5]), 0);
});
