// How fast the page is in Chromium without a GPU, beside SnakeViz and speedscope on the same files in
// the same run. bench/bench_page.py makes the files and calls this:
//
//   node page.mjs --heliograph PROGRAM --files FOLDER [--snakeviz PYTHON] [--speedscope FOLDER] [--rounds N] [--only NAME]
//
// Every tool is opened as people do, in a fresh context: navigation until its picture is complete.

import { spawn } from "node:child_process";
import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { extname, join, normalize } from "node:path";
import { parseArgs } from "node:util";

const tests = new URL("../../tests/browser/", import.meta.url);
const { serve } = await import(new URL("support/served.mjs", tests));
const { launch } = await import(new URL("support/browser.mjs", tests));
const { until } = await import(new URL("support/mocked.mjs", tests));
createRequire(new URL("package.json", tests)).resolve("playwright-core");

const { values: options } = parseArgs({
  options: {
    heliograph: { type: "string" },
    files: { type: "string" },
    snakeviz: { type: "string", default: "" },
    speedscope: { type: "string", default: "" },
    rounds: { type: "string", default: "3" },
    only: { type: "string", default: "" },
    patience: { type: "string", default: "120" },
  },
});
const ROUNDS = Number(options.rounds);
const PATIENCE_MS = Number(options.patience) * 1000;
const SIZE = { width: 1440, height: 900 };
const file = (name) => join(options.files, name);
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const seconds = (ms) => (ms === null ? "no picture" : `${(ms / 1000).toFixed(2)} s`);
const wants = (name) => !options.only || name.includes(options.only);

// ---- when a picture is complete ----

/** Several colours in some lines of the canvas: the first frame that shows a picture, told by the page's own clock. */
const CANVAS = (selector) => {
  const look = () => {
    const canvas = document.querySelector(selector);
    if (canvas && canvas.width > 300) {
      const seen = new Set();
      for (const part of [0.06, 0.2, 0.34, 0.5, 0.7]) {
        const { data } = canvas.getContext("2d").getImageData(0, Math.floor(canvas.height * part), canvas.width, 1);
        for (let i = 0; i < data.length; i += 28) if (data[i + 3] > 60) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
      }
      if (seen.size > 3) {
        window.painted = performance.now();
        return;
      }
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
};
const SNAKEVIZ = () => {
  const look = () => {
    // Its chart and its table: both are on the first page.
    if (document.querySelectorAll("#chart svg rect").length > 3 && document.querySelector("#pstats-table_wrapper, .dataTables_wrapper")) window.painted = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
};
const SPEEDSCOPE = () => {
  const look = () => {
    if (document.querySelector("canvas") && /Left Heavy/.test(document.body?.innerText ?? "") && !/Loading/.test(document.body.innerText))
      requestAnimationFrame(() => requestAnimationFrame(() => (window.painted = performance.now())));
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
};

async function open(browser, url, watcher, argument, more = {}) {
  const context = await browser.newContext({ viewport: SIZE, reducedMotion: "no-preference", ...more });
  const page = await context.newPage();
  await page.addInitScript(watcher, argument);
  try {
    await page.goto(url, { timeout: PATIENCE_MS, waitUntil: "commit" });
    await page.waitForFunction(() => window.painted, null, { timeout: PATIENCE_MS });
    page.painted = await page.evaluate(() => window.painted);
  } catch {
    page.painted = null;
  }
  return page;
}

async function firstPaint(browser, url, watcher, argument, rounds = ROUNDS) {
  const times = [];
  for (let i = 0; i < rounds; i++) {
    const page = await open(browser, url, watcher, argument);
    const { painted } = page;
    await page.context().close();
    if (painted === null) return null;
    times.push(painted);
  }
  return median(times);
}

// ---- frames, search, memory ----

async function frames(page, act) {
  await page.evaluate(() => {
    window.gaps = [];
    let last = performance.now();
    const tick = (now) => {
      window.gaps.push(now - last);
      last = now;
      window.ticking = requestAnimationFrame(tick);
    };
    window.ticking = requestAnimationFrame(tick);
  });
  await act();
  const gaps = await page.evaluate(() => {
    cancelAnimationFrame(window.ticking);
    return window.gaps.slice(2);
  });
  const sum = gaps.reduce((a, b) => a + b, 0);
  return { perSecond: (gaps.length / sum) * 1000, longest: Math.max(...gaps) };
}

const framesText = (f) => `${f.perSecond.toFixed(0)} frames/s (longest ${f.longest.toFixed(0)} ms)`;

/** Zooms about a point and pans, as a wheel and a hand do; speedscope takes the same with Ctrl. */
async function zoomAndPan(page, x, y) {
  const zoom = await frames(page, async () => {
    await page.mouse.move(x, y);
    await page.keyboard.down("Control");
    for (let i = 0; i < 40; i++) await page.mouse.wheel(0, i < 25 ? -120 : 120);
    await page.keyboard.up("Control");
  });
  const pan = await frames(page, async () => {
    await page.mouse.down();
    await page.mouse.move(x - 300, y + 20, { steps: 50 });
    await page.mouse.up();
  });
  return `zoom ${framesText(zoom)}, pan ${framesText(pan)}`;
}

/** The renderer's memory: its own process', and what JavaScript holds. */
async function memory(browser, page) {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage").catch(() => undefined);
  await session.send("Performance.enable");
  const { metrics } = await session.send("Performance.getMetrics");
  const heap = metrics.find((m) => m.name === "JSHeapUsedSize").value;
  const whole = await browser.newBrowserCDPSession();
  const { processInfo } = await whole.send("SystemInfo.getProcessInfo");
  const of = (text, name) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(text)?.[1] ?? 0) * 1.024e-3;
  const held = processInfo.filter((p) => p.type === "renderer").map((p) => {
    try {
      const text = readFileSync(`/proc/${p.id}/status`, "utf8");
      return { resident: of(text, "VmRSS"), program: of(text, "RssFile") };
    } catch {
      return { resident: 0, program: 0 };
    }
  });
  const most = held.reduce((a, b) => (b.resident > a.resident ? b : a), { resident: 0, program: 0 });
  return `renderer ${most.resident.toFixed(0)} MB (${most.program.toFixed(0)} of them the browser's own files), JS heap ${(heap / 1e6).toFixed(0)} MB`;
}

async function search(page, text) {
  return page.evaluate(async (typed) => {
    const input = document.querySelector(".search input");
    input.focus();
    input.value = typed;
    const began = performance.now();
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
    while (!document.querySelector(".search .result b")) await new Promise(requestAnimationFrame);
    return performance.now() - began;
  }, text);
}

// ---- the others ----

async function startSnakeviz(path) {
  const port = 18080 + Math.floor(Math.random() * 900);
  const child = spawn(options.snakeviz, ["-m", "snakeviz", "-s", "-p", String(port), path], { stdio: "ignore" });
  const url = `http://127.0.0.1:${port}/snakeviz/${encodeURIComponent(path)}`;
  await until(() => fetch(`http://127.0.0.1:${port}/`).then(() => true).catch(() => false), "SnakeViz answers", 20_000);
  return { url, stop: () => child.kill() };
}

async function startSpeedscope() {
  const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm", ".json": "application/json" };
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://x").pathname));
    const from = path.startsWith("/files/") ? join(options.files, path.slice(7)) : join(options.speedscope, path);
    if (!existsSync(from) || !statSync(from).isFile()) return response.writeHead(404).end();
    response.writeHead(200, { "Content-Type": types[extname(from)] ?? "application/octet-stream", "Content-Length": statSync(from).size });
    createReadStream(from).pipe(response);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const origin = `http://127.0.0.1:${server.address().port}`;
  return { url: (name) => `${origin}/index.html#profileURL=${encodeURIComponent(`${origin}/files/${name}`)}`, stop: () => server.close() };
}

function compare(what, ours, theirs, tool, target) {
  const times = theirs && ours ? `, ${(theirs / ours).toFixed(1)}x` : "";
  console.log(`${what}: ours ${seconds(ours)} (target ${target} s)${tool ? `, ${tool} ${seconds(theirs)}${times}` : ""}`);
}

// ---- what is measured ----

const program = await serve(options.heliograph, ["--max-upload", "1GiB"]);
const browser = await launch();
const send = async (name) => program.upload(name, readFileSync(file(name)));
const at = (id, hash) => `${program.url}/p/${id}#${hash}`;
const FLAME = ".flame-stage canvas";

async function callGraphs() {
  for (const [name, target] of [["small.prof", 0.2], ["large.prof", 0.3]]) {
    if (!existsSync(file(name))) {
      console.log(`SKIP ${name}: this Python has no test package`);
      continue;
    }
    const id = await send(name);
    const { columns } = await program.json(`/api/v1/profiles/${id}/table?limit=100000`);
    const flame = await firstPaint(browser, at(id, "view=flame"), CANVAS, FLAME);
    const sun = await firstPaint(browser, at(id, ""), CANVAS, ".sunburst-stage canvas");
    let theirs = null;
    if (options.snakeviz) {
      const snakeviz = await startSnakeviz(file(name));
      theirs = await firstPaint(browser, snakeviz.url, SNAKEVIZ, null);
      snakeviz.stop();
    }
    const what = `cProfile, ${columns.id.length} functions`;
    compare(`${what}: flame graph`, flame, theirs, options.snakeviz && "SnakeViz", target);
    compare(`${what}: sunburst`, sun, theirs, options.snakeviz && "SnakeViz", target);
    const deep = await firstPaint(browser, at(id, "rings=24"), CANVAS, ".sunburst-stage canvas");
    compare(`${what}: sunburst of 24 rings, no cutoff`, deep, null, "", target);
  }
}

async function large(name, hash, what) {
  const began = performance.now();
  const id = await send(name);
  const imported = performance.now() - began;
  const ours = await firstPaint(browser, at(id, hash), CANVAS, FLAME);
  const again = await firstPaint(browser, at(id, hash), CANVAS, FLAME, 1);
  const page = await open(browser, at(id, hash), CANVAS, FLAME);
  const box = await page.locator(FLAME).first().boundingBox();
  const moving = await zoomAndPan(page, box.x + box.width * 0.45, box.y + 150);
  await page.waitForTimeout(500);
  const found = await search(page, "function_1");
  const held = await memory(browser, page);
  await page.context().close();
  console.log(`${what}: import ${seconds(imported)}, asked again ${seconds(again)}; ${moving}; search with covered share ${found.toFixed(0)} ms; ${held}`);
  let theirs = null;
  if (options.speedscope) {
    const speedscope = await startSpeedscope();
    const other = await open(browser, speedscope.url(name), SPEEDSCOPE, null);
    theirs = other.painted;
    if (theirs !== null) {
      const theirMoving = await Promise.race([zoomAndPan(other, 600, 300), new Promise((done) => setTimeout(done, 60_000, "no answer for 60 s"))]);
      console.log(`${what}: speedscope ${theirMoving}; ${await memory(browser, other).catch(() => "the tab has died")}`);
    }
    await other.context().close().catch(() => undefined);
    speedscope.stop();
  }
  compare(what, ours, theirs, options.speedscope && "speedscope", 0.5);
}

async function dayOfMemory() {
  const id = await send("day.mprof");
  const ours = await firstPaint(browser, at(id, "view=memory"), CANVAS, "#view canvas");
  compare("864,000 points x 3 series", ours, null, "", 0.3);
}

try {
  if (wants("callgraph")) await callGraphs();
  if (wants("time")) await large("time.speedscope.json", "view=flame&order=time", "1 M samples in order of time");
  if (wants("stacks")) await large("stacks.folded", "view=flame", "1 M distinct stacks");
  if (wants("day")) await dayOfMemory();
} finally {
  await browser.close();
  await program.stop();
}
