// The profiles of the mock: one of each kind that the page must show well.

import { heapSeries, heapValues, HEAP_RUN_S, makeBlocks } from "./heap.mjs";
import { cpuAt, functions, makeSamples, RATE_HZ, rssAt, spans, threads } from "./program.mjs";

const NS_PER_SAMPLE = 1e9 / RATE_HZ;
const SERIES_EVERY_S = 0.1;

function base(id, name, more) {
  return {
    id,
    name,
    format: "heliograph",
    producer: "heliograph 0.1.0",
    created: Date.UTC(2026, 2, 14, 15, 9, 26),
    weightNs: NS_PER_SAMPLE,
    functions,
    threads,
    spans: [],
    notices: [],
    counters: {},
    shapes: ["stacks", "series"],
    summary: "",
    state: () => "complete",
    rev: () => 7,
    samples: () => [],
    series: () => [],
    duration: () => 0,
    values: null,
    ...more,
  };
}

/** A run of the program up to `seconds()`, which may grow. */
function sampled(id, name, seconds, more) {
  const kept = [];
  let ticks = 0;
  const points = { t: [], rss: [], cpu: [] };
  return base(id, name, {
    samples() {
      const upTo = Math.floor(seconds() * RATE_HZ);
      if (upTo > ticks) {
        for (const thread of threads) kept.push(...makeSamples(thread, ticks, upTo));
        ticks = upTo;
      }
      return kept;
    },
    series() {
      for (let i = points.t.length; i * SERIES_EVERY_S <= seconds(); i++) {
        const t = i * SERIES_EVERY_S;
        points.t.push(t);
        points.rss.push(rssAt(t));
        points.cpu.push(cpuAt(t));
      }
      const one = (name_, unit, v, process = null) => ({ name: name_, unit, process, t: points.t, v });
      return [
        one("rss", "bytes", points.rss),
        one("pss", "bytes", points.rss.map((v) => Math.round(v * 0.93))),
        one("uss", "bytes", points.rss.map((v) => Math.round(v * 0.86))),
        one("cpu", "percent", points.cpu),
      ];
    },
    duration: () => seconds(),
    spans,
    counters: { torn: 3, stopped: 12 },
    ...more,
  });
}

const HOSTILE = [
  "</script><script>window.__hostile=1</script>",
  "<img src=x onerror=window.__hostile=1>",
  "reversed\u202egnp.exe\u202c",
  "javascript:window.__hostile=1",
  "a\u0000b\u001b[31mc",
  "long".repeat(250_000),
  "=cmd|' /C calc'!A0",
  "𝒻ａｎｃｙ 数字 🔥",
];

function hostile() {
  const list = HOSTILE.map((name, i) => ({ id: 900 + i, name, file: i % 2 ? HOSTILE[0] : "/srv/<b>x</b>.py", line: i, module: HOSTILE[1], kind: 0 }));
  const samples = [];
  for (let i = 0; i < 400; i++)
    samples.push({ t: i / 100, thread: 0, stack: list.map((_, k) => k).slice(0, 1 + (i % list.length)), state: 1 });
  return base("hostile", HOSTILE[0], {
    functions: list,
    threads: [{ index: 0, process: 0, tid: 1, name: HOSTILE[1] }],
    samples: () => samples,
    summary: `50 % in ${HOSTILE[1]}`,
    notices: [{ severity: 1, code: "warning", text: HOSTILE[1], time_s: 0 }],
    duration: () => 4,
    shapes: ["stacks"],
  });
}

/** A cProfile run: functions and edges, no stacks. */
function callGraph() {
  const list = [
    ["<module>", "report.py", 1, "__main__", 1, 1, 0.004, 12.31],
    ["main", "report.py", 70, "__main__", 1, 1, 0.011, 12.306],
    ["load_rows", "report.py", 12, "__main__", 40, 40, 1.92, 7.4],
    ["parse_date", "report.py", 31, "__main__", 410_000, 410_000, 2.13, 3.9],
    ["{built-in method strptime}", "~", 0, "", 410_000, 410_000, 1.77, 1.77],
    ["group", "report.py", 44, "__main__", 8191, 12, 2.86, 3.4],
    ["{built-in method builtins.sorted}", "~", 0, "", 820, 820, 0.54, 0.54],
    ["DictReader.__next__", "/usr/lib/python3.12/csv.py", 107, "csv", 410_040, 410_040, 1.12, 1.58],
    ["{method 'append' of 'list' objects}", "~", 0, "", 410_000, 410_000, 0.46, 0.46],
    ["write_report", "report.py", 58, "__main__", 1, 1, 0.74, 1.5],
    ["{method 'write' of '_io.TextIOWrapper' objects}", "~", 0, "", 96_000, 96_000, 0.76, 0.76],
  ];
  const [mod, main, load, parse, strp, group, sort, next, append, write, wr] = list.map((_, i) => i);
  const fns = list.map(([name, file, line, module], i) => ({
    id: 500 + i,
    name,
    file: file === "report.py" ? "/home/dev/report.py" : file,
    line,
    module,
    kind: file === "~" ? 2 : 0,
  }));
  const stats = list.map(([, , , , ncalls, primitive, tottime, cumtime]) => ({ ncalls, primitive, tottime, cumtime }));
  // Weights in 0.1 ms; a stack's weight is its innermost function's own share.
  const stacks = [
    [[mod], 40], [[mod, main], 110], [[mod, main, load], 19200], [[mod, main, load, parse], 21300],
    [[mod, main, load, parse, strp], 17700], [[mod, main, load, next], 11200], [[mod, main, load, next, append], 4600],
    [[mod, main, group], 28600], [[mod, main, group, sort], 5400],
    [[mod, main, write], 7400], [[mod, main, write, wr], 7600],
  ];
  return base("pstats1", "report.prof", {
    format: "pstats",
    producer: "cProfile",
    functions: fns,
    threads: [],
    shapes: ["call-graph"],
    state: () => "imported",
    summary: "60 % in load_rows (report.py:12), of it 32 % in parse_date",
    isCallGraph: true,
    stats,
    samples: () => stacks.map(([stack, weight]) => ({ t: 0, thread: 0, stack, state: 0, weight })),
    weightNs: 1,
    apportioned: new Set([strp, sort, append]),
    values: [{ key: "time", set: "", name: "time", unit: "s", total: 12.31, samples: 0, default: true, estimated: true }],
  });
}

/** 2.4 million boxes, as a million distinct stacks give. */
function huge() {
  let cache = null;
  const fns = Array.from({ length: 5000 }, (_, i) => ({
    id: 10 + i,
    name: `function_number_${i}`,
    file: `/srv/app/pkg${i % 23}/module_${i % 211}.py`,
    line: (i * 7) % 900,
    module: `pkg${i % 23}.module_${i % 211}`,
    kind: 0,
  }));
  const rows = () => {
    if (cache) return cache;
    let seed = 12345;
    const dice = () => ((seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 4294967296);
    let row = { x0: [0], x1: [1_000_000_000], fn: [0] };
    cache = [row];
    let nodes = 1;
    for (let depth = 1; depth < 40 && nodes < 2_400_000; depth++) {
      const next = { x0: [], x1: [], fn: [] };
      for (let i = 0; i < row.x0.length && nodes < 2_400_000; i++) {
        const width = row.x1[i] - row.x0[i];
        if (width < 300) continue;
        const parts = depth < 4 ? 3 + Math.floor(dice() * 5) : 1 + Math.floor(dice() * 3);
        let at = row.x0[i];
        let room = width * (0.9 + dice() * 0.1);
        for (let k = 0; k < parts && room > 100; k++) {
          const take = k === parts - 1 ? room : room * (0.35 + dice() * 0.45);
          const size = Math.floor(take);
          next.x0.push(at);
          next.x1.push(at + size);
          next.fn.push(1 + Math.floor(dice() * dice() * 5000));
          at += size;
          room -= take;
          nodes++;
        }
      }
      if (!next.x0.length) break;
      row = next;
      cache.push(row);
    }
    cache = cache.map((r) => ({ x0: Uint32Array.from(r.x0), x1: Uint32Array.from(r.x1), fn: Uint32Array.from(r.fn) }));
    return cache;
  };
  return base("huge", "a million stacks", {
    functions: fns,
    threads: [],
    shapes: ["stacks"],
    rows,
    duration: () => 3600,
    summary: "2.4 million boxes",
  });
}

function daySeries() {
  const count = 864_000;
  const make = (f) => Array.from({ length: count }, (_, i) => f(i / 10));
  let cache = null;
  return base("day", "a day of memory", {
    shapes: ["series"],
    threads: [],
    duration: () => 86_400,
    summary: "peak 1.9 GB after 17 h",
    series: () =>
      (cache ??= ["rss", "pss", "uss"].map((name, k) => ({
        name,
        unit: "bytes",
        process: null,
        t: make((t) => t),
        v: make((t) => Math.round((1.2e9 + 5e8 * Math.sin(t / 9000) + 1e8 * Math.sin(t / 7) * Math.sin(t / 400)) * (1 - k * 0.07))),
      }))),
  });
}

const HOURS_STEP_S = 10;
const HOURS_POINTS = 1500;

/** A program that is watched for long, at speed: each answer is ten seconds later than the last. */
function hours() {
  let ticks = 6;
  const one = sampled("hours", "python3 server.py", () => 20, { state: () => "live" });
  const seconds = () => ticks * HOURS_STEP_S;
  const stacks = one.samples().filter((_, i) => i % 12 === 0);
  return {
    ...one,
    rev: () => ticks,
    advance: () => ticks++,
    duration: seconds,
    summary: "46 % in hash_password (login.py:12); memory steady",
    /** As many as ever, each standing for more; the shares drift. */
    samples: () => stacks.map((s, i) => ({ ...s, weight: 1 + ((i * 7 + ticks) % 13) + Math.floor(ticks / 20) })),
    series() {
      const t = Array.from({ length: HOURS_POINTS }, (_, i) => (i / HOURS_POINTS) * seconds());
      return [
        { name: "rss", unit: "bytes", process: null, t, v: t.map((x) => Math.round(2e8 + 4e7 * Math.sin(x / 600))) },
        { name: "cpu", unit: "percent", process: null, t, v: t.map((x) => 40 + 30 * Math.sin(x / 90)) },
      ];
    },
  };
}

/** A run whose allocations were followed. */
function withHeap(id, everyBytes) {
  const blocks = makeBlocks();
  const one = sampled(id, "shop, with its allocations", () => HEAP_RUN_S, {
    summary: "47 % in hash_password (login.py:12); peak RSS 308 MiB at 14.0 s",
    heap: { blocks, everyBytes },
    counters: { heap_size_below_64: 120_000, heap_size_below_128: 31_000, heap_size_below_512: 900, heap_life_ms_below_1: 90_000, heap_life_ms_below_128: 20_000 },
    spans: [
      ...spans,
      ...[3, 9, 17].map((t, i) => ({ name: `GC generation ${i}`, begin_s: t, end_s: t + 0.02, process: 0, thread: 0, begin_value: 0, end_value: 0, level: 0 })),
      { name: "ready", begin_s: 2, end_s: 2, process: 0, thread: 0, begin_value: 0, end_value: 0, level: 0 },
    ],
  });
  const { series, samples } = one;
  const time = (name) => ({ key: name, set: "cpu", name, unit: "ns", total: samples().length * NS_PER_SAMPLE, samples: samples().length, default: name === "wall", estimated: false });
  one.series = () => [...series(), { name: "heap", unit: "bytes", process: null, ...heapSeries(blocks) }];
  one.values = [time("wall"), ...heapValues(blocks)];
  return one;
}

export function makeProfiles() {
  const started = Date.now();
  const live = { endedAt: 0, offset: 6 };
  const elapsed = () => ((live.endedAt || Date.now()) - started) / 1000 + live.offset;
  const list = [
    sampled("live1", "python3 login.py", elapsed, {
      state: () => (live.endedAt ? "complete" : "live"),
      rev: () => Math.floor(elapsed() * 10),
      summary: "47 % in hash_password (login.py:12); memory 118 MiB and steady",
      created: started,
      end: () => (live.endedAt = Date.now()),
    }),
    sampled("run24", "python3 login.py --workers 2", () => 24, {
      summary: "47 % in hash_password (login.py:12); peak 308 MiB at 14.0 s",
    }),
    withHeap("heap24", 0),
    withHeap("heapsampled", 524288),
    callGraph(),
    hostile(),
    huge(),
    daySeries(),
    hours(),
    sampled("broken1", "nightly import", () => 11.4, {
      state: () => "interrupted",
      summary: "52 % in hash_password (login.py:12)",
      counters: { torn: 3, missed: 41, dropped: 1200 },
      notices: [{ severity: 2, code: "interrupted", text: "The collector vanished at 11.4 s; what it had sent until then is here.", time_s: 11.4 }],
    }),
    base("nostacks", "ruby server.rb", {
      shapes: ["series"],
      threads: [],
      duration: () => 24,
      notices: [{ severity: 1, code: "no_stacks", text: "No stacks: this is not a Python program (ruby). Its memory is followed.", time_s: 0 }],
      series: () => {
        const t = Array.from({ length: 240 }, (_, i) => i / 10);
        return [{ name: "rss", unit: "bytes", process: null, t, v: t.map(rssAt) }];
      },
    }),
    base("empty", "nothing yet", { shapes: ["stacks"], threads: [] }),
  ];
  return new Map(list.map((p) => [p.id, p]));
}
