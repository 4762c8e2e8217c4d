// Allocations of the mock's program, block by block, and the answers about them: brute force.

import { functions } from "./program.mjs";

const MIB = 2 ** 20;
const position = (name) => functions.findIndex((f) => f.name === name);
export const HEAP_RUN_S = 24;

/** A leak, a cache that is full after 10 s, a big load that goes again, and work of the moment. */
export function makeBlocks() {
  const blocks = [];
  const add = (name, line, domain, t, freed, size, callers) => blocks.push({ fn: position(name), line, domain, t, freed, size, callers });
  for (let i = 1; i < HEAP_RUN_S * 4; i++) {
    const t = i / 4;
    add("render_page", 74, "object", t, Infinity, MIB / 2, ["Handler.handle_one_request", "serve"]);
    if (t < 10) add("hash_password", 15, "malloc", t, Infinity, MIB, ["login", "Handler.handle_one_request"]);
    add("load_session", 25, "object", t, t + 0.1, 6 * MIB, ["Handler.handle_one_request"]);
  }
  add("orders_of", 19, "mmap", 12, 15, 40 * MIB, ["serve"]);
  return blocks.map((b) => ({ ...b, fn: Math.max(b.fn, 0) }));
}

const aliveAt = (blocks, t) => blocks.filter((b) => b.t <= t && b.freed > t);
const sum = (blocks) => blocks.reduce((total, b) => total + b.size, 0);

export function heapSeries(blocks) {
  const t = Array.from({ length: HEAP_RUN_S * 10 }, (_, i) => i / 10);
  const v = t.map((at) => sum(aliveAt(blocks, at)));
  return { t, v };
}

export function heapValues(blocks) {
  const row = (name, unit, total) => ({ key: name, set: "heap", name, unit, total, samples: blocks.length, default: false, estimated: false });
  return ["allocated", "freed", "in_use", "leaked", "peak"].map((name) => row(name, "bytes", sum(blocks)));
}

export function memory(profile, query) {
  const { blocks, everyBytes } = profile.heap;
  const domains = (query.get("domain") ?? "").split(",").filter(Boolean);
  const all = blocks.filter((b) => !domains.length || domains.includes(b.domain));
  const from = Number(query.get("from") ?? 0);
  const to = query.has("to") ? Number(query.get("to")) : Infinity;
  const base = query.has("base") ? Number(query.get("base")) : null;
  const series = heapSeries(all);
  let peak = 0;
  series.t.forEach((t, i) => {
    if (t >= from && t < to && (series.v[i] > series.v[peak] || series.t[peak] < from)) peak = i;
  });
  const before = (t) => (b) => b.t < t && !(b.freed < t);
  const inWindow = (b) => b.t >= from && b.t < to;
  const kept = {
    in_use: all.filter(before(to)),
    allocated: all.filter(inWindow),
    freed: all.filter((b) => b.freed >= from && b.freed < to),
    leaked: all.filter((b) => inWindow(b) && !(b.freed < to)),
    short: all.filter((b) => b.freed >= from && b.freed < to && b.freed - b.t < 0.2),
    peak: aliveAt(all, series.t[peak]),
    ...(everyBytes ? {} : { temporary: all.filter((b) => inWindow(b) && b.freed - b.t < 0.2) }),
    ...(base === null ? {} : { base: aliveAt(all, base) }),
  };
  const placeOf = query.get("by") === "function" ? (b) => `${b.fn}` : (b) => `${b.fn}:${b.line}`;
  const places = [...new Map(all.map((b) => [placeOf(b), b])).values()];
  const amount = (measure, test) => {
    if (measure === "grown") return amount("in_use", test) - amount("base", test);
    return sum(kept[measure].filter(test));
  };
  const measures = [...Object.keys(kept), ...(base === null ? [] : ["grown"])];
  const sort = query.get("sort") ?? "in_use";
  const known = measures.includes(sort) ? sort : "in_use";
  const sorted = places
    .map((b) => ({ b, size: amount(known, (x) => placeOf(x) === placeOf(b)) }))
    .sort((x, y) => Math.abs(y.size) - Math.abs(x.size))
    .map(({ b }) => b);
  const columns = {
    id: sorted.map((b) => functions[b.fn].id),
    name: sorted.map((b) => functions[b.fn].name),
    file: sorted.map((b) => functions[b.fn].file),
    module: sorted.map((b) => functions[b.fn].module),
    line: sorted.map((b) => b.line),
    callers: sorted.map((b) => b.callers),
  };
  const totals = {};
  for (const m of measures) {
    columns[m] = sorted.map((b) => amount(m, (x) => placeOf(x) === placeOf(b)));
    columns[`${m}_count`] = columns[m].map((bytes) => Math.round(bytes / MIB));
    totals[m] = amount(m, () => true);
    totals[`${m}_count`] = Math.round(totals[m] / MIB);
    if (!everyBytes) continue;
    columns[`${m}_error`] = columns[m].map((bytes) => Math.sqrt(Math.abs(bytes) * everyBytes));
    totals[`${m}_error`] = Math.sqrt(Math.abs(totals[m]) * everyBytes);
  }
  return { rev: profile.rev(), by: query.get("by") ?? "line", every_bytes: everyBytes, base_s: base, peak_s: series.t[peak], totals, places: sorted.length, columns };
}

/** The server's judgement is tested with the server; the page shows what it is told. */
export function leaks(profile) {
  const { blocks } = profile.heap;
  const leak = blocks[0];
  const f = functions[leak.fn];
  const inUse = Array.from({ length: 24 }, (_, i) => i * 2 * MIB);
  return {
    rev: profile.rev(),
    leaks: {
      from_s: 0,
      to_s: HEAP_RUN_S,
      windows: 24,
      too_short: false,
      found: 1,
      items: [{ id: f.id, name: f.name, file: f.file, line: f.line, at_line: leak.line, callers: leak.callers, bytes_per_min: 120 * MIB, grown_bytes: 46 * MIB, error_bytes: 0, confidence: 0.99999, rises: 23, steps: 23, in_use: inUse }],
    },
  };
}
