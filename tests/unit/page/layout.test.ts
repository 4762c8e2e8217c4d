import assert from "node:assert/strict";
import { test } from "node:test";

import { clampDomain, hitTest, paintLine, wideBoxes, zoomDomain } from "../../../frontend/src/canvas/flame_layout";
import { angleOf, layoutArcs, layoutRim, ringAt, ringRadius } from "../../../frontend/src/canvas/sunburst_layout";
import { gallop } from "../../../frontend/src/canvas/rows";
import { sample } from "./trees";

const GAP = 0xffff;
const row = (boxes: [number, number, number][]) => ({
  x0: Uint32Array.from(boxes.map((b) => b[0])),
  x1: Uint32Array.from(boxes.map((b) => b[1])),
  fn: Uint32Array.from(boxes.map((b) => b[2])),
  flags: null,
});

test("flame: boxes fill their pixels and end in a gap", () => {
  const line = new Uint32Array(10);
  const wide = wideBoxes(10);
  paintLine(line, row([[0, 50, 0], [50, 100, 1]]), { lo: 0, hi: 100 }, Uint32Array.of(7, 8), GAP, wide, 4);
  assert.deepEqual([...line], [7, 7, 7, 7, GAP, 8, 8, 8, 8, GAP]);
  assert.equal(wide.length, 2);
  assert.deepEqual([wide.left[1], wide.right[1]], [5, 10]);
});

test("flame: zooming in shows only what the domain holds", () => {
  const line = new Uint32Array(4);
  paintLine(line, row([[0, 50, 0], [50, 100, 1]]), { lo: 25, hi: 75 }, Uint32Array.of(7, 8), GAP, wideBoxes(4), 9);
  assert.deepEqual([...line], [7, 7, 8, 8]);
});

test("flame: many boxes in one pixel are one pixel, and cost no more", () => {
  const count = 1_000_000;
  const x0 = Uint32Array.from({ length: count }, (_, i) => i * 2);
  const x1 = Uint32Array.from({ length: count }, (_, i) => i * 2 + 1);
  const fn = new Uint32Array(count);
  const line = new Uint32Array(1000);
  const began = performance.now();
  for (let i = 0; i < 100; i++)
    paintLine(line, { x0, x1, fn, flags: null }, { lo: 0, hi: count * 2 }, Uint32Array.of(7), GAP, wideBoxes(8), 4);
  const each = (performance.now() - began) / 100;
  assert.ok(line.every((p) => p === 7), "no pixel is left empty");
  assert.ok(each < 20, `${each} ms for one line`);
});

test("flame: an empty stretch stays empty", () => {
  const line = new Uint32Array(10);
  paintLine(line, row([[0, 10, 0], [90, 100, 0]]), { lo: 0, hi: 100 }, Uint32Array.of(7), GAP, wideBoxes(4), 4);
  assert.deepEqual([...line.slice(1, 9)], new Array(8).fill(0));
  assert.equal(line[9], 7);
});

test("flame: the pointer finds the box it is on, and slivers within a pixel", () => {
  const boxes = row([[0, 500, 0], [500, 501, 1], [600, 1000, 2]]);
  const domain = { lo: 0, hi: 1000 };
  assert.equal(hitTest(boxes, domain, 100, 49.5), 0);
  assert.equal(hitTest(boxes, domain, 100, 50.05), 1);
  assert.equal(hitTest(boxes, domain, 100, 50.9), 1);
  assert.equal(hitTest(boxes, domain, 100, 55), -1);
  assert.equal(hitTest(boxes, domain, 100, 99), 2);
});

test("flame: zooming keeps the point under the pointer and stays within the whole", () => {
  const whole = { lo: 0, hi: 100 };
  const zoomed = zoomDomain({ lo: 0, hi: 100 }, 25, 0.5, whole, 1);
  assert.equal((25 - zoomed.lo) / (zoomed.hi - zoomed.lo), 0.25);
  assert.deepEqual(zoomDomain(zoomed, 25, 100, whole, 1), whole);
  assert.equal(zoomDomain(whole, 50, 1e-9, whole, 4).hi - zoomDomain(whole, 50, 1e-9, whole, 4).lo, 4);
  assert.deepEqual(clampDomain({ lo: -10, hi: 10 }, whole), { lo: 0, hi: 20 });
  assert.deepEqual(clampDomain({ lo: 95, hi: 115 }, whole), { lo: 80, hi: 100 });
});

test("rows: galloping finds what halving finds", () => {
  const ends = Uint32Array.from({ length: 777 }, (_, i) => i * 3 + 1);
  for (let x = 0; x < 2400; x += 7) {
    const expected = ends.findIndex((end) => end > x);
    assert.equal(gallop(ends, x, 0), expected < 0 ? 777 : expected);
    if (expected > 5) assert.equal(gallop(ends, x, expected - 5), expected);
  }
});

const frame = { lo: 0, hi: 100, depth: 0, rings: 3, radius: 200 };

test("sunburst: the root is a disc and rings meet without a gap", () => {
  const arcs = layoutArcs(sample().rows, frame);
  assert.equal(arcs[0]!.r0, 0);
  assert.ok(Math.abs(arcs[0]!.a1 - arcs[0]!.a0 - Math.PI * 2) < 1e-9);
  for (let level = 1; level <= 3; level++) {
    const ring = arcs.filter((a) => a.depth === level);
    assert.equal(ring[0]!.r0, ringRadius(frame, level));
    assert.equal(ring[0]!.r1, ringRadius(frame, level + 1));
  }
  assert.ok(Math.abs(ringRadius(frame, 4) - 200) < 1e-9);
});

test("sunburst: thin rings leave the room to the others, and all still meet", () => {
  const deep = { ...frame, rings: 12 };
  const thin = { ...deep, thin: 8 };
  for (let level = 1; level <= 12; level++) assert.ok(ringRadius(thin, level + 1) > ringRadius(thin, level));
  assert.ok(Math.abs(ringRadius(thin, 13) - 200) < 1e-9);
  const width = (f: typeof deep, level: number) => ringRadius(f, level + 1) - ringRadius(f, level);
  assert.ok(width(thin, 3) < width(deep, 3) / 1.5);
  assert.ok(width(thin, 10) > width(deep, 10) * 1.5);
  for (let level = 1; level <= 12; level++) assert.equal(ringAt(thin, ringRadius(thin, level) + 0.5), level);
});

test("sunburst: arcs below the cutoff are left out, and nothing stands for them", () => {
  const all = layoutArcs(sample().rows, frame);
  const least = 15;
  const arcs = layoutArcs(sample().rows, { ...frame, least });
  assert.ok(arcs.length < all.length);
  assert.ok(arcs.every((a) => a.index >= 0 && a.a1 - a.a0 >= (Math.PI * 2 * least) / 100 - 1e-9));
});

test("sunburst: an arc's angle is its share of the root", () => {
  const arcs = layoutArcs(sample().rows, { ...frame, lo: 0, hi: 60, depth: 1, rings: 2 });
  const b = arcs.find((a) => a.depth === 2 && a.index === 0)!;
  assert.ok(Math.abs(b.a1 - b.a0 - (Math.PI * 2 * 40) / 60) < 1e-9);
  assert.ok(!arcs.some((a) => a.depth === 2 && a.index === 2), "what is outside of the root is not drawn");
});

test("sunburst: a ring of slivers is not empty, and there are never too many arcs", () => {
  const count = 200_000;
  const slivers = {
    x0: Uint32Array.from({ length: count }, (_, i) => i),
    x1: Uint32Array.from({ length: count }, (_, i) => i + 1),
    fn: new Uint32Array(count),
    flags: null,
  };
  const rows = [row([[0, count, 0]]), slivers];
  const arcs = layoutArcs(rows, { lo: 0, hi: count, depth: 0, rings: 3, radius: 200 });
  const ring = arcs.filter((a) => a.depth === 1);
  assert.ok(ring.length > 0 && ring.length < 4000, `${ring.length} arcs`);
  const covered = ring.reduce((sum, a) => sum + a.a1 - a.a0, 0);
  assert.ok(covered > Math.PI * 2 * 0.95, `covers ${covered}`);
});

test("sunburst: a rim marks where deeper rings are hidden", () => {
  const rim = layoutRim(sample().rows, { ...frame, rings: 2 });
  assert.equal(rim.length, 1);
  assert.ok(Math.abs(rim[0]!.a1 - (Math.PI * 2 * 10) / 100) < 1e-9);
  assert.equal(layoutRim(sample().rows, frame).length, 0);
});

test("sunburst: the pointer's angle and ring", () => {
  assert.equal(angleOf(0, -10), 0);
  assert.ok(Math.abs(angleOf(10, 0) - Math.PI / 2) < 1e-9);
  assert.ok(Math.abs(angleOf(-10, 0) - Math.PI * 1.5) < 1e-9);
  assert.equal(ringAt(frame, 1), 0);
  assert.equal(ringAt(frame, ringRadius(frame, 1) + 1), 1);
  assert.equal(ringAt(frame, 201), -1);
});
