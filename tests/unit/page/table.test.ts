import assert from "node:assert/strict";
import { test } from "node:test";

import type { TableAnswer } from "../../../frontend/src/api/types";
import { compileQuery } from "../../../frontend/src/model/search";
import { columnsOf, orderRows, parseSort, printSort, toCsv } from "../../../frontend/src/model/table";

const graph: TableAnswer = {
  rev: 1,
  shape: "call-graph",
  unit: "s",
  total: 3,
  samples_total: 0,
  rows: 3,
  columns: {
    id: [1, 2, 3],
    name: ["fib", "main", "=cmd()"],
    file: ["f.py", "f.py", "~"],
    line: [3, 90, 0],
    kind: [0, 0, 2],
    module: ["", "", ""],
    ncalls: [21891, 1, 4],
    primitive_calls: [1, 1, 4],
    tottime: [2, 0.5, 0.5],
    cumtime: [2.25, 3, 0.5],
  },
};

test("table: ncalls shows recursion as pstats does", () => {
  const ncalls = columnsOf(graph)[0]!;
  assert.equal(ncalls.text(0), "21891/1");
  assert.equal(ncalls.text(1), "1");
});

test("table: percall divides by the calls pstats divides by", () => {
  const [, , percallSelf, , percallTotal] = columnsOf(graph);
  assert.equal(percallSelf!.text(0), (2 / 21891).toFixed(6));
  assert.equal(percallTotal!.text(0), "2.250000");
});

test("table: numbers sort by value, names by letters, ties stay in place", () => {
  const none = compileQuery("");
  assert.deepEqual([...orderRows(graph, parseSort("-ncalls")!, none)], [0, 2, 1]);
  assert.deepEqual([...orderRows(graph, parseSort("-tottime")!, none)], [0, 1, 2]);
  assert.deepEqual([...orderRows(graph, parseSort("tottime")!, none)], [1, 2, 0]);
  assert.deepEqual([...orderRows(graph, parseSort("name")!, none)], [2, 0, 1]);
  assert.deepEqual([...orderRows(graph, parseSort("file")!, none)], [0, 1, 2]);
});

test("table: the search filters rows", () => {
  assert.deepEqual([...orderRows(graph, parseSort("name")!, compileQuery("^fib|main"))], [0, 1]);
});

test("table: a sort order is written as it is read", () => {
  assert.equal(printSort(parseSort("-total")!), "-total");
  assert.equal(printSort(parseSort("name")!), "name");
  assert.equal(parseSort(""), null);
});

test("table: CSV keeps every digit and no formula runs", () => {
  const csv = toCsv(graph, Uint32Array.of(0, 2)).split("\r\n");
  assert.equal(csv[0], "ncalls,tottime,percall_self,cumtime,percall_total,name,file");
  assert.equal(csv[1], `21891/1,2,${2 / 21891},2.25,2.25,fib,f.py:3`);
  assert.ok(csv[2]!.includes("'=cmd()"));
});

test("table: a hundred thousand rows are put in order in time", () => {
  const count = 100_000;
  const fill = <T>(make: (i: number) => T) => Array.from({ length: count }, (_, i) => make(i));
  const big: TableAnswer = {
    rev: 1,
    shape: "stacks",
    unit: "ns",
    total: count,
    samples_total: count,
    rows: count,
    columns: {
      id: fill((i) => i),
      name: fill((i) => `function_${(i * 7919) % count}`),
      file: fill(() => "x.py"),
      line: fill((i) => i),
      kind: fill(() => 0),
      module: fill(() => ""),
      self: fill((i) => (i * 31) % 977),
      total: fill((i) => i),
      samples_self: fill(() => 1),
      samples_total: fill(() => 1),
    },
  };
  const began = performance.now();
  orderRows(big, { key: "self", isDescending: true }, compileQuery(""));
  assert.ok(performance.now() - began < 3000);
});
