import assert from "node:assert/strict";
import { test } from "node:test";

import {
  ancestry,
  boxAt,
  childrenOf,
  depthBelow,
  followPath,
  pathOf,
  rangeWithin,
  ROOT,
  selfOf,
  sumFunctions,
  widthOf,
} from "../../../frontend/src/model/tree";
import { FlameModel, neighbour } from "../../../frontend/src/model/flame_model";
import { flameOf, sample } from "./trees";

test("tree: a box is found by where it lies, and gaps hold none", () => {
  const row = sample().rows[1]!;
  assert.equal(boxAt(row, 0), 0);
  assert.equal(boxAt(row, 59), 0);
  assert.equal(boxAt(row, 60), 1);
  assert.equal(boxAt(row, 95), -1);
});

test("tree: the boxes within a parent are all of its children and no others", () => {
  const wide = flameOf(
    Array.from({ length: 500 }, (_, i) => ({ name: `f${i}`, width: 2, children: [{ name: "x", width: 1 }] })),
    1000,
  );
  assert.deepEqual(rangeWithin(wide.rows[2]!, 100, 200), [50, 100]);
  assert.deepEqual(rangeWithin(wide.rows[1]!, 0, 1000), [0, 500]);
  assert.deepEqual(rangeWithin(wide.rows[1]!, 1000, 1100), [500, 500]);
});

test("tree: self is the width without the children", () => {
  const flame = sample();
  assert.equal(selfOf(flame, ROOT), 10);
  assert.equal(selfOf(flame, { depth: 1, index: 0 }), 0);
  assert.equal(selfOf(flame, { depth: 2, index: 0 }), 30);
  assert.equal(selfOf(flame, { depth: 3, index: 0 }), 10);
});

test("tree: a path leads back to its box", () => {
  const flame = sample();
  const box = { depth: 3, index: 0 };
  const path = pathOf(flame, box);
  assert.deepEqual(path, [10, 20, 10]);
  assert.deepEqual(followPath(flame, path), { box, isWhole: true });
  assert.equal(ancestry(flame, box).length, 4);
});

test("tree: a path that breaks off ends at the last box it reaches", () => {
  const flame = sample();
  assert.deepEqual(followPath(flame, [10, 20, 999]), { box: { depth: 2, index: 0 }, isWhole: false });
  assert.deepEqual(followPath(flame, [999]), { box: ROOT, isWhole: false });
  assert.deepEqual(followPath(flame, [10, 20, 10, 10]), { box: { depth: 3, index: 0 }, isWhole: false });
});

test("tree: recursion counts once in a total, and self adds up to the whole", () => {
  const flame = sample();
  const { self, total } = sumFunctions(flame, ROOT);
  const of = (name: string) => flame.head.functions.name.indexOf(name);
  assert.equal(total[of("a")], 60);
  assert.equal(self[of("a")], 10);
  assert.equal(total[of("b")], 45);
  assert.equal(self[of("b")], 35);
  assert.equal(total[of("d")], 30);
  assert.equal(self.reduce((sum, n) => sum + n, 0), 100);
});

test("tree: sums within a box leave out what is beside it", () => {
  const flame = sample();
  const { total } = sumFunctions(flame, { depth: 1, index: 1 });
  const of = (name: string) => flame.head.functions.name.indexOf(name);
  assert.equal(total[of("b")], 5);
  assert.equal(total[of("a")], 0);
});

test("tree: sums agree with a walk written another way, on many trees", () => {
  let seed = 7;
  const dice = (n: number) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % n;
  for (let round = 0; round < 50; round++) {
    const grow = (width: number, depth: number): { name: string; width: number; children: any[] } => {
      const children = [];
      let room = width;
      while (depth < 6 && room > 2 && dice(4)) {
        const size = 1 + dice(room - 1);
        children.push(grow(size, depth + 1));
        room -= size;
      }
      return { name: `f${dice(5)}`, width, children };
    };
    const roots = [grow(200, 0), grow(150, 0)];
    const flame = flameOf(roots, 400);
    const expected = new Map<string, [number, number]>();
    const add = (name: string, self: number, total: number) => {
      const now = expected.get(name) ?? [0, 0];
      expected.set(name, [now[0] + self, now[1] + total]);
    };
    const walk = (shape: any, above: string[]) => {
      const inside = shape.children.reduce((sum: number, c: any) => sum + c.width, 0);
      add(shape.name, shape.width - inside, above.includes(shape.name) ? 0 : shape.width);
      for (const child of shape.children) walk(child, [...above, shape.name]);
    };
    for (const root of roots) walk(root, []);
    const { self, total } = sumFunctions(flame, ROOT);
    for (const [name, [s, t]] of expected) {
      const fn = flame.head.functions.name.indexOf(name);
      assert.equal(self[fn], s, `${name} self, round ${round}`);
      assert.equal(total[fn], t, `${name} total, round ${round}`);
    }
  }
});

test("tree: depth below counts the rows that hold something", () => {
  const flame = sample();
  assert.equal(depthBelow(flame, ROOT), 3);
  assert.equal(depthBelow(flame, { depth: 1, index: 1 }), 1);
  assert.equal(childrenOf(flame, ROOT).length, 2);
  assert.equal(widthOf(flame, { depth: 1, index: 1 }), 30);
});

test("model: arrow keys lead to the widest child, the parent and the neighbours", () => {
  const flame = sample();
  assert.deepEqual(neighbour(flame, ROOT, "in"), { depth: 1, index: 0 });
  assert.deepEqual(neighbour(flame, { depth: 1, index: 0 }, "in"), { depth: 2, index: 0 });
  assert.deepEqual(neighbour(flame, { depth: 2, index: 2 }, "out"), { depth: 1, index: 1 });
  assert.deepEqual(neighbour(flame, { depth: 2, index: 1 }, "next"), { depth: 2, index: 2 });
  assert.equal(neighbour(flame, ROOT, "out"), null);
  assert.equal(neighbour(flame, { depth: 3, index: 0 }, "in"), null);
});

test("model: amounts, shares and samples are parts of the whole", () => {
  const model = new FlameModel(sample());
  assert.equal(model.amount(60), 60e6);
  assert.equal(model.share(60), 0.6);
  assert.equal(model.samples(60), 60);
  assert.equal(model.amountText(60), "60.0 ms");
  assert.equal(model.positionOf(20), 2);
  assert.equal(model.positionOf(12345), -1);
});
