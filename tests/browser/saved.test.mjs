// The page as one file: opens from disk without a single request, shows what the server would show,
// and lets no name out. HELIOGRAPH names the program that writes it.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";

import { launch, openPage, pixelAt, ROOT } from "./support/browser.mjs";
import { state, until } from "./support/mocked.mjs";

const program = process.env.HELIOGRAPH ?? "";
const skip = existsSync(program) ? false : "HELIOGRAPH does not name the program";
const NASTY = "</script><img src=x onerror=alert(1)>";
const fixture = (name) => join(ROOT, "tests/fixtures/formats", name);

let browser = null;
let folder = "";

function run(...words) {
  const done = spawnSync(program, words, { encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
  return done.stdout;
}

function saved(name, from) {
  const to = join(folder, name);
  run("convert", from, "-o", to);
  return to;
}

/** Two threads that come and go over two seconds, in the text of perf script. */
function withTimes() {
  const samples = [];
  for (let i = 0; i < 400; i++) {
    const [pid, leaf] = i % 4 === 0 ? [12, NASTY] : [11, i < 200 ? "first_half" : "second_half"];
    samples.push(`worker 11/${pid} ${(10 + i * 0.005).toFixed(6)}: 1 cpu-clock:\n\t1 ${leaf} (a.py)\n\t2 work (a.py)\n\t3 main (a.py)\n`);
  }
  const path = join(folder, "times.perf");
  writeFileSync(path, samples.join("\n"));
  return path;
}

async function open(t, path, hash = "", options) {
  const page = await openPage(browser, "about:blank", options);
  page.asked = [];
  page.on("request", (request) => page.asked.push(request.url()));
  page.on("dialog", (dialog) => page.problems.push(`a name ran: ${dialog.message()}`));
  await page.goto(pathToFileURL(path).href + hash);
  t.after(async () => {
    const { problems, asked } = page;
    await page.context().close();
    assert.deepEqual(problems, []);
    assert.deepEqual(asked.filter((url) => !/^(file:|data:|blob:null)/.test(url)), []);
    assert.equal(asked.filter((url) => url.startsWith("file:")).length, 1);
  });
  return page;
}

const drawn = (page) =>
  until(() => pixelAt(page, ".flame-stage canvas", 30, 30).then((p) => p[3] === 255 && !p.slice(0, 3).every((c) => c > 250)).catch(() => false), "the picture is drawn");

before(async () => {
  if (skip) return;
  folder = mkdtempSync(join(tmpdir(), "heliograph-saved-"));
  browser = await launch();
});

after(async () => {
  await browser?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

test("saved: every view works from disk, and nothing is asked of anybody", { skip }, async (t) => {
  const from = withTimes();
  const page = await open(t, saved("times.html", from), "#view=flame");
  await drawn(page);
  const report = JSON.parse(run("report", from, "--json", "--top", "0"));
  await page.locator("#tab-table").click();
  await until(() => page.locator(".panel.main").innerText().then((text) => text.includes("second_half")), "the table has its rows");
  assert.match(await page.locator(".panel.main").innerText(), new RegExp(`^${report.functions.length} functions`));
  assert.ok((await page.locator(".panel.main").innerText()).includes(NASTY), "names are text");
  await page.locator(".search input").fill("first_half");
  await until(() => page.locator(".search .result b").textContent().then((text) => Number.parseFloat(text) === 37.5), "its share of the whole");
  await page.locator("#tab-threads").click();
  await until(() => page.locator(".panel.main").innerText().then((text) => text.includes("12")), "both threads are there");
});

test("saved: a window of time, a function's callers, inverted, and back", { skip }, async (t) => {
  const page = await open(t, saved("window.html", withTimes()), "#view=flame&from=0&to=0.9&q=second_half");
  await drawn(page);
  await until(() => page.locator(".search .result b").textContent().then((text) => Number.parseFloat(text) === 0).catch(() => false), "nothing of the second half");
  await page.evaluate(() => (location.hash = "view=flame&q=second_half&invert=1"));
  await until(() => page.locator(".search .result b").textContent().then((text) => Number.parseFloat(text) === 37.5).catch(() => false), "without the window it is there");
  await page.locator("#tab-table").click();
  await page.getByText("second_half", { exact: true }).first().click();
  await page.locator("#tab-callers").click();
  await until(() => page.locator(".panel.main").innerText().then((text) => text.includes("work")), "its caller");
  assert.match(state(page), /sel=\d+/);
});

test("saved: a call graph, lines, and memory have their views", { skip }, async (t) => {
  const graph = await open(t, saved("graph.html", fixture("small_v4.prof")), "#view=flame");
  await graph.getByText("Estimated").waitFor();
  const memory = await open(t, saved("memory.html", fixture("small.dat")));
  await memory.locator("#tab-memory[aria-selected=true]").waitFor();
  await memory.locator(".panel.main canvas").first().waitFor();
});

test("saved: a file that was cut says so", { skip }, async (t) => {
  const whole = readFileSync(saved("whole.html", fixture("small.folded")));
  const path = join(folder, "cut.html");
  writeFileSync(path, whole.subarray(0, whole.length - 200));
  const page = await open(t, path);
  await page.getByText("The profile could not be opened").waitFor();
});

// ---- the answers are the server's ----

/** The saved page's inside, as the page itself uses it (frontend/src/api/saved.ts). */
async function insideOf(path) {
  const html = readFileSync(path, "latin1");
  const part = (id) => gunzipSync(Buffer.from(new RegExp(`id="${id}">([^<]*)<`).exec(html)[1], "base64"));
  let memory = null;
  const { instance } = await WebAssembly.instantiate(part("heliograph-code"), {
    wasi_snapshot_preview1: {
      fd_close: () => 8,
      fd_seek: () => 8,
      fd_write: () => 8,
      random_get: (at, length) => (crypto.getRandomValues(new Uint8Array(memory.buffer, at, length)), 0),
    },
  });
  const it = instance.exports;
  memory = it.memory;
  it._initialize();
  const put = (bytes) => {
    const at = it.room(bytes.length);
    new Uint8Array(memory.buffer).set(bytes, at);
  };
  const take = () => Buffer.from(memory.buffer.slice(it.answer(), it.answer() + it.answer_len()));
  put(part("heliograph-data"));
  assert.equal(it.open(), 0, take().toString());
  return (question, query) => {
    put(Buffer.from([question, ...[...query].flat()].map((word) => `${word}\0`).join("")));
    return { result: it.ask(), bytes: take() };
  };
}

const QUESTIONS = ["flame?format=json", "flame", "flame?invert=1&min=0.01&format=json", "table", "table?sort=-name&limit=3", "table?q=a",
  "callers?function=1", "callers?function=4000000", "lines?function=1", "series?points=10", "series?process=all", "spans", "activity?buckets=7",
  "stats?top=0", "flame?from=0.1&to=0.6&format=json", "table?from=0.1&to=0.6", "flame?focus=2&format=json", "table?hide=1", "flame?value=nonsense", "flame?min=2",
  "source?function=1", "table?thread=0"];

test("saved: the page inside answers byte for byte what the server answers", { skip }, async () => {
  const child = spawn(program, ["serve", "--listen", "127.0.0.1:0", "--store", join(folder, "store.db")], { stdio: ["ignore", "pipe", "pipe"] });
  try {
    let said = "";
    child.stderr.on("data", (chunk) => (said += chunk));
    child.stdout.on("data", (chunk) => (said += chunk));
    const url = await until(() => /http:\/\/[^\s/]+/.exec(said)?.[0], "the server says where it is", 60_000);
    for (const from of [withTimes(), "small_v4.prof", "small.dat", "small.lprof", "small.memray", "small.mojo", "small.tracemalloc", "small.callgrind", "small.heaptrack"]) {
      const path = from.includes("/") ? from : fixture(from);
      if (!existsSync(path)) continue;
      const upload = await fetch(`${url}/api/v1/profiles?name=x`, { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: readFileSync(path) });
      const { id } = await upload.json();
      const exported = join(folder, "answers.html");
      writeFileSync(exported, Buffer.from(await (await fetch(`${url}/api/v1/profiles/${id}/export?format=html`)).arrayBuffer()));
      const inside = await insideOf(exported);
      const { rev } = await (await fetch(`${url}/api/v1/profiles/${id}`)).json();
      const same = (text) => text.replaceAll(`"rev":${rev},`, '"rev":1,');
      for (const question of QUESTIONS) {
        const [name, query = ""] = question.split("?");
        const answer = await fetch(`${url}/api/v1/profiles/${id}/${question}`);
        const bytes = Buffer.from(await answer.arrayBuffer());
        const own = inside(name, new URLSearchParams(query));
        assert.equal(own.result < 2, answer.ok, `${path} ${question}: ${bytes.toString().slice(0, 200)} / ${own.bytes.toString().slice(0, 200)}`);
        if (!answer.ok) assert.equal(JSON.parse(own.bytes).message, JSON.parse(bytes).error.message);
        else if (name === "flame" && !query.includes("json")) assert.equal(own.bytes.length - bytes.length, 0);
        else assert.equal(own.bytes.toString(), same(bytes.toString()), `${path} ${question}`);
      }
    }
  } finally {
    const gone = new Promise((done) => child.once("exit", done));
    child.kill("SIGINT");
    await gone;
  }
});
