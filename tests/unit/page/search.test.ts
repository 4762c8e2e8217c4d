import assert from "node:assert/strict";
import { test } from "node:test";

import { compileQuery, coverage, matchFunctions } from "../../../frontend/src/model/search";
import { sample } from "./trees";

test("search: without text nothing is dimmed", () => {
  assert.equal(matchFunctions(sample(), compileQuery("")), null);
});

test("search: matches below matches add nothing to what is covered", () => {
  const flame = sample();
  const hits = matchFunctions(flame, compileQuery("^a$"))!;
  const found = coverage(flame.rows, hits);
  assert.deepEqual(found, { covered: 60, boxes: 2, functions: 1 });
});

test("search: what is covered is the union over all depths", () => {
  const flame = sample();
  const found = coverage(flame.rows, matchFunctions(flame, compileQuery("^(b|d)$"))!);
  assert.equal(found.covered, 70); // b within a 40, d 30 with the b below it
  assert.equal(found.functions, 2);
});

test("search: deeper, then wider matches to the left and right are merged in order", () => {
  const flame = sample();
  const found = coverage(flame.rows, matchFunctions(flame, compileQuery("^(a|b|c|d)$"))!);
  assert.equal(found.covered, 90);
});

test("search: small letters find both, a capital finds only itself", () => {
  const matches = (text: string, name: string) => compileQuery(text).matches!(name, "");
  assert.equal(matches("json", "JSONDecoder"), true);
  assert.equal(matches("JSON", "json_loads"), false);
  assert.equal(matches("^load.*s$", "loads"), true);
});

test("search: what is no regular expression is searched for as it stands", () => {
  const query = compileQuery("f(");
  assert.notEqual(query.problem, "");
  assert.equal(query.matches!("call f(x)", ""), true);
  assert.equal(query.matches!("call f x", ""), false);
});

test("search: file and line are searched too", () => {
  const flame = sample();
  const hits = matchFunctions(flame, compileQuery("views.py:2$"))!;
  assert.deepEqual([...hits], [0, 0, 1, 0, 0]);
});
