// Answers docs/api.md's questions from plain samples: brute force, for tests and drawing boards.

const KEEP_STATES = { oncpu: 1, gil: 2, wantsgil: 4, gc: 8 };

export function filterOf(query) {
  const list = (name) => (query.get(name) ? query.get(name).split(",").map(Number) : []);
  return {
    from: query.has("from") ? Number(query.get("from")) : -Infinity,
    to: query.has("to") ? Number(query.get("to")) : Infinity,
    threads: list("thread"),
    states: (query.get("state") ?? "").split(",").filter(Boolean).map((s) => KEEP_STATES[s]),
    focus: query.has("focus") ? Number(query.get("focus")) : null,
    hide: new Set(list("hide")),
  };
}

/** Stacks as function positions, with focus and hide applied. */
export function* filtered(profile, filter) {
  for (const sample of profile.samples()) {
    if (sample.t < filter.from || sample.t >= filter.to) continue;
    if (filter.threads.length && !filter.threads.includes(sample.thread)) continue;
    if (filter.states.length && !filter.states.some((s) => sample.state & s)) continue;
    let stack = sample.stack;
    if (filter.hide.size) stack = stack.filter((f) => !filter.hide.has(profile.functions[f].id));
    if (filter.focus !== null) {
      const at = stack.findIndex((f) => profile.functions[f].id === filter.focus);
      if (at < 0) continue;
      stack = stack.slice(at);
    }
    yield { ...sample, stack };
  }
}

export function flameTree(profile, filter, isInverted) {
  const root = { fn: -1, weight: 0, children: new Map() };
  let samples = 0;
  for (const { stack, weight = 1 } of filtered(profile, filter)) {
    samples++;
    root.weight += weight;
    let node = root;
    const path = isInverted ? [...stack].reverse() : stack;
    for (const fn of path) {
      let next = node.children.get(fn);
      if (!next) node.children.set(fn, (next = { fn, weight: 0, children: new Map() }));
      next.weight += weight;
      node = next;
    }
  }
  return { root, samples };
}

export function rowsOf(root, flagOf) {
  const rows = [];
  const visit = (node, depth, x) => {
    const row = (rows[depth] ??= { x0: [], x1: [], fn: [], flags: [] });
    row.x0.push(x);
    row.x1.push(x + node.weight);
    row.fn.push(node.fn + 1);
    row.flags.push(flagOf ? flagOf(node) : 0);
    let at = x;
    for (const child of [...node.children.values()].sort((a, b) => b.weight - a.weight || a.fn - b.fn)) {
      visit(child, depth + 1, at);
      at += child.weight;
    }
  };
  visit(root, 0, 0);
  return rows;
}

const STEP_NS = 1000;

/** Rows of every thread in order of time; each sample stands for the time before it. */
export function timeRows(profile, filter, rateHz) {
  const lanes = new Map();
  const all = { from: Math.max(0, filter.from), to: Math.min(filter.to, profile.duration()) };
  const step = (s) => Math.round(((s - all.from) * 1e9) / STEP_NS);
  for (const { t, thread, stack } of filtered(profile, filter)) {
    const lane = lanes.get(thread) ?? { thread, rows: [], samples: 0, covered: 0 };
    lanes.set(thread, lane);
    lane.samples++;
    lane.covered += 1e9 / rateHz;
    const [begin, end] = [Math.max(0, step(t - 1 / rateHz)), step(t)];
    if (end <= begin) continue;
    let isSame = true;
    [-1, ...stack].forEach((fn, depth) => {
      const row = (lane.rows[depth] ??= { x0: [], x1: [], fn: [], flags: [] });
      const last = row.fn.length - 1;
      isSame &&= last >= 0 && row.fn[last] === fn + 1 && Math.abs(row.x1[last] - begin) <= 1;
      if (isSame) {
        row.x1[last] = end;
      } else {
        row.x0.push(Math.max(begin, row.x1[last] ?? 0));
        row.x1.push(end);
        row.fn.push(fn + 1);
        row.flags.push(0);
      }
    });
  }
  const order = [...lanes.values()].sort((a, b) => a.thread - b.thread);
  return {
    rows: order.flatMap((lane) => lane.rows),
    head: {
      order: "time",
      cutoff: 0,
      lanes_left_out: 0,
      lanes: order.map((lane) => ({ thread: lane.thread, rows: lane.rows.length, samples: lane.samples, covered: lane.covered })),
      scale: STEP_NS,
      total: (all.to - all.from) * 1e9,
      from_s: all.from,
      to_s: all.to,
    },
  };
}

/** The HGF1 bytes; rows hold positions in `functions` + 1, 0 is the root. */
export function encodeFlame(profile, rows, extra) {
  const files = [""];
  const modules = [""];
  const index = (list, text) => {
    const at = list.indexOf(text);
    return at >= 0 ? at : list.push(text) - 1;
  };
  const used = [{ id: 0, name: "all", file: "", line: 0, kind: 6, module: "" }, ...profile.functions];
  const head = {
    ...extra,
    rows: rows.map((r) => r.x0.length),
    nodes: rows.reduce((sum, r) => sum + r.x0.length, 0),
    pruned: 0,
    truncated_depth: 0,
    functions: {
      id: used.map((f) => f.id),
      name: used.map((f) => f.name),
      file: used.map((f) => index(files, f.file)),
      line: used.map((f) => f.line),
      kind: used.map((f) => f.kind),
      module: used.map((f) => index(modules, f.module)),
    },
    files,
    modules,
  };
  let text = Buffer.from(JSON.stringify(head));
  const padding = (8 - ((8 + text.length) % 8)) % 8;
  text = Buffer.concat([text, Buffer.alloc(padding, 0x20)]);
  const start = Buffer.alloc(8);
  start.write("HGF1", "latin1");
  start.writeUInt32LE(text.length, 4);
  const parts = [start, text];
  for (const row of rows) {
    for (const column of [row.x0, row.x1, row.fn, ...(head.flags ? [row.flags] : [])]) {
      const words = column instanceof Uint32Array ? column : Uint32Array.from(column);
      parts.push(Buffer.from(words.buffer, words.byteOffset, words.byteLength));
    }
  }
  return Buffer.concat(parts);
}

export function table(profile, filter) {
  const self = new Map();
  const total = new Map();
  let all = 0;
  const add = (map, fn, weight) => map.set(fn, (map.get(fn) ?? 0) + weight);
  for (const { stack } of filtered(profile, filter)) {
    all++;
    if (stack.length) add(self, stack[stack.length - 1], 1);
    for (const fn of new Set(stack)) add(total, fn, 1);
  }
  const order = [...total.keys()].sort((a, b) => (self.get(b) ?? 0) - (self.get(a) ?? 0) || a - b);
  const pick = (get) => order.map((fn) => get(profile.functions[fn], fn));
  return {
    rev: profile.rev(),
    shape: "stacks",
    unit: "ns",
    total: all * profile.weightNs,
    samples_total: all,
    rows: order.length,
    columns: {
      id: pick((f) => f.id),
      name: pick((f) => f.name),
      file: pick((f) => f.file),
      line: pick((f) => f.line),
      kind: pick((f) => f.kind),
      module: pick((f) => f.module),
      self: pick((_, fn) => (self.get(fn) ?? 0) * profile.weightNs),
      total: pick((_, fn) => (total.get(fn) ?? 0) * profile.weightNs),
      samples_self: pick((_, fn) => self.get(fn) ?? 0),
      samples_total: pick((_, fn) => total.get(fn) ?? 0),
    },
  };
}

export function callers(profile, filter, id) {
  const me = profile.functions.findIndex((f) => f.id === id);
  if (me < 0) return null;
  const sides = { callers: new Map(), callees: new Map() };
  let self = 0;
  let total = 0;
  for (const { stack } of filtered(profile, filter)) {
    if (!stack.includes(me)) continue;
    total++;
    if (stack[stack.length - 1] === me) self++;
    const seen = new Set();
    stack.forEach((fn, i) => {
      if (fn !== me) return;
      for (const [side, other] of [["callers", stack[i - 1]], ["callees", stack[i + 1]]]) {
        if (other === undefined || seen.has(side + other)) continue;
        seen.add(side + other);
        sides[side].set(other, (sides[side].get(other) ?? 0) + 1);
      }
    });
  }
  const rows = (map) =>
    [...map].map(([fn, count]) => ({ ...profile.functions[fn], self: 0, total: count * profile.weightNs }));
  return {
    rev: profile.rev(),
    function: { ...profile.functions[me], self: self * profile.weightNs, total: total * profile.weightNs },
    callers: rows(sides.callers),
    callees: rows(sides.callees),
  };
}

export function series(profile, query) {
  const names = query.get("name") ? query.get("name").split(",") : null;
  const most = Number(query.get("points") ?? 2000);
  return profile.series().filter((s) => !names || names.includes(s.name)).map((s) => thin(s, most));
}

function thin(one, most) {
  const count = one.t.length;
  if (count <= most) return { ...one, total_points: count };
  const size = Math.ceil(count / most);
  const out = { ...one, t: [], v: [], min: [], max: [], total_points: count };
  for (let at = 0; at < count; at += size) {
    const values = one.v.slice(at, at + size);
    out.t.push(one.t[Math.min(count, at + size) - 1]);
    out.v.push(values[values.length - 1]);
    out.min.push(Math.min(...values));
    out.max.push(Math.max(...values));
  }
  return out;
}

export function activity(profile, query) {
  const buckets = Number(query.get("buckets") ?? 600);
  const t0 = Number(query.get("from") ?? 0);
  const t1 = Number(query.get("to") ?? profile.duration());
  const rows = new Map();
  for (const { t, thread, state } of profile.samples()) {
    if (t < t0 || t >= t1) continue;
    if (!rows.has(thread)) {
      const zero = () => new Array(buckets).fill(0);
      rows.set(thread, { thread, oncpu: zero(), gil: zero(), wants: zero(), idle: zero() });
    }
    const row = rows.get(thread);
    const at = Math.min(buckets - 1, Math.floor(((t - t0) / (t1 - t0)) * buckets));
    row[state & 2 ? "gil" : state & 4 ? "wants" : state & 1 ? "oncpu" : "idle"][at]++;
  }
  return { t0, t1, buckets, threads: [...rows.values()] };
}
