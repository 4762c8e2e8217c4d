import assert from "node:assert/strict";
import { test } from "node:test";

import { isStep, parseState, printState, USUAL, type ViewState } from "../../../frontend/src/state/url";

test("url: an empty address is the usual view", () => {
  assert.deepEqual(parseState(""), USUAL);
  assert.equal(printState(USUAL), "");
});

test("url: what is printed is read back the same", () => {
  const state: ViewState = {
    view: "flame",
    value: "cpu.wall",
    root: [12, 45],
    q: "json & <b> #1",
    from: 1.25,
    to: 3.4,
    sort: "-total",
    threads: [1, 3],
    processes: [0],
    states: ["gil", "gc"],
    invert: true,
    isFlipped: true,
    sel: 45,
    focus: 9,
    hide: [7, 8],
    hideModules: [3],
    hidePackages: [4, 5],
    order: "time",
    group: "module",
    collapse: true,
    sight: [1.5, 2.25],
    colour: "self",
    normalise: "total",
    rings: 8,
    cutoff: 0.01,
    at: 2.5,
    base: 1,
    domains: ["object", "mmap"],
    measure: "grown",
    by: "function",
    theme: "dark",
  };
  assert.deepEqual(parseState(`#${printState(state)}`), state);
});

test("url: the documented example is understood", () => {
  const state = parseState("#view=flame&value=wall&root=12.45&q=json&from=1.2&to=3.4&sort=-total&thread=1&invert=1&sel=45&theme=dark");
  assert.equal(state.view, "flame");
  assert.deepEqual(state.root, [12, 45]);
  assert.equal(state.to, 3.4);
  assert.deepEqual(state.threads, [1]);
  assert.equal(state.theme, "dark");
});

test("url: nonsense counts as not said", () => {
  const state = parseState("#view=evil&root=1.x.-3&from=a&to=Infinity&rings=9999&cutoff=-1&sel=-1&thread=1e99,2&state=oncpu,rm&at=-2&base=x&domain=moon,malloc&measure=all&by=moon&colour=red&theme=x");
  assert.equal(state.view, "sunburst");
  assert.deepEqual(state.root, [1]);
  assert.equal(state.from, null);
  assert.equal(state.to, null);
  assert.equal(state.rings, 0);
  assert.equal(state.cutoff, 0);
  assert.equal(state.sel, null);
  assert.deepEqual(state.threads, [2]);
  assert.deepEqual(state.states, ["oncpu"]);
  assert.equal(state.at, null);
  assert.equal(state.base, null);
  assert.deepEqual(state.domains, ["malloc"]);
  assert.equal(state.measure, "");
  assert.equal(state.by, "line");
  assert.equal(state.colour, "package");
  assert.equal(state.theme, "system");
});

test("url: a window that ends before it begins is no window", () => {
  const state = parseState("#from=5&to=2");
  assert.equal(state.from, null);
  assert.equal(state.to, null);
});

test("url: a change of view is a step back can undo, typing is not", () => {
  assert.equal(isStep({ view: "table" }), true);
  assert.equal(isStep({ root: [1] }), true);
  assert.equal(isStep({ q: "x" }), false);
  assert.equal(isStep({ from: 1, to: 2 }), false);
});
