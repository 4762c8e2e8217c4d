// The page on real profiles of the real program: what HELIOGRAPH names is run.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { spawnSync } from "node:child_process";

import { launch, openPage } from "./support/browser.mjs";
import { state, until } from "./support/mocked.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const program = process.env.HELIOGRAPH ?? "";
const skip = existsSync(program) ? false : "HELIOGRAPH does not name the program";

let browser = null;
let folder = "";
let child = null;
let url = "";
let origin = "";

async function open(t, path, options) {
  const page = await openPage(browser, path, options);
  t.after(async () => {
    const { problems } = page;
    await page.context().close();
    if (problems.length) throw new Error(`the page complained: ${problems.join("; ")}`);
  });
  return page;
}

before(async () => {
  if (skip) return;
  folder = mkdtempSync(join(tmpdir(), "heliograph-browser-"));
  browser = await launch();
  let said = "";
  child = spawn(program, ["run", "--no-open", "--store", join(folder, "store.db"), "--", "python3", join(here, "programs/shares.py"), join(folder, "end")], { stdio: ["ignore", "pipe", "pipe"] });
  child.stderr.on("data", (chunk) => (said += chunk));
  child.stdout.on("data", (chunk) => (said += chunk));
  url = await until(() => /http:\/\/\S+\/p\/\w+/.exec(said)?.[0], "the program prints its URL", 60_000).catch((cause) => {
    throw new Error(`${cause.message}; it said: ${said}`);
  });
  origin = new URL(url).origin;
});

after(async () => {
  await browser?.close();
  if (child && child.exitCode === null) {
    const gone = new Promise((done) => child.once("exit", done));
    child.kill("SIGINT");
    await gone;
  }
  if (folder) rmSync(folder, { recursive: true, force: true });
});

const json = async (path) => (await fetch(origin + path)).json();
const apiPath = () => `/api/v1/profiles/${new URL(url).pathname.split("/").pop()}`;

test("program: the code is read when somebody asks, and stays", { skip }, async (t) => {
  const hot = await until(async () => {
    const { columns } = await json(`${apiPath()}/table`);
    const at = columns ? columns.name.indexOf("hot") : -1;
    return at < 0 ? null : { id: columns.id[at] };
  }, "a function");
  const page = await open(t, `${url}#view=lines&sel=${hot.id}`);
  await page.getByRole("button", { name: /Show the code/ }).click();
  await page.locator("td.code", { hasText: "def hot" }).first().waitFor({ timeout: 60_000 });
  assert.match((await json(`${apiPath()}/source?function=${hot.id}`)).text, /def hot/);
});

test("program: a person can slow the recording down from the page", { skip }, async (t) => {
  const page = await open(t, url);
  await page.getByRole("button", { name: "Recording" }).click();
  await page.getByRole("menuitem", { name: "10 samples a second" }).click();
  await page.getByText("From now on 10 samples a second.").waitFor();
  await page.getByRole("button", { name: "Recording" }).click();
  await page.getByRole("menuitem", { name: "100 samples a second" }).click();
});

test("program: the live page grows and keeps what the person chose", { skip }, async (t) => {
  const page = await open(t, `${url}#view=flame&q=hot`);
  await page.getByText("live", { exact: true }).waitFor();
  const chip = page.locator(".chip", { hasText: "samples" });
  await chip.waitFor();
  const seen = new Set();
  await until(async () => seen.add(await chip.textContent()).size >= 5, "five updates by themselves");
  assert.equal(await page.locator(".search input").inputValue(), "hot");
  const share = await until(() => page.locator(".search .result b").textContent().then(Number.parseFloat).catch(() => 0), "a share is shown");
  assert.ok(share > 55 && share < 85, `hot has ${share} %, and should have about 70 %`);
});

test("program: the end is seen, and the page says it is complete", { skip }, async (t) => {
  const page = await open(t, url);
  writeFileSync(join(folder, "end"), "");
  await page.getByText("complete", { exact: true }).waitFor({ timeout: 60_000 });
  await until(async () => (await json(apiPath())).state === "complete", "the server agrees");
});

test("program: every view shows the program's own functions", { skip }, async (t) => {
  const page = await open(t, `${url}#view=table&sort=-total`);
  const row = page.locator(".rows .row", { hasText: /hot/ }).first();
  await row.waitFor();
  const shares = (await row.locator(".cell").allTextContents()).filter((text) => text.endsWith("%")).map(Number.parseFloat);
  // It measures time that passes, on a machine with other work: what is its CPU time differs.
  assert.ok(Math.abs(shares[1] - 70) < 15, `hot has ${shares[1]} % in total`);
  await row.click();
  await page.keyboard.press("4");
  await until(() => page.locator(".sandwich .middle h2").textContent().then((x) => x === "hot").catch(() => false), "callers of hot");
  assert.equal(await page.locator(".sandwich section").first().locator(".fn").first().textContent(), "main");
  assert.equal(await page.locator(".sandwich section").last().locator(".fn").first().textContent(), "spin");
  await page.keyboard.press("5");
  await page.locator(".lines-view tr[class^=heat]").first().waitFor();
  await page.keyboard.press("7");
  await page.locator(".threads-view li").first().waitFor();
  await page.keyboard.press("1");
  await until(() => page.locator(".sunburst-centre .share").textContent().then((x) => x === "100 %").catch(() => false), "the sunburst");
});

test("program: zooming puts main in the middle with everything below it", { skip }, async (t) => {
  const page = await open(t, `${url}#view=flame`);
  await page.locator(".legend button").first().waitFor();
  await page.locator(".flame-stage").focus();
  await until(async () => {
    for (const key of ["ArrowDown", "ArrowDown", "ArrowDown", "Enter"]) await page.keyboard.press(key); // in vain until it is drawn
    return state(page).includes("root=");
  }, "zoomed");
  await until(() => page.locator(".crumbs").innerText().then((x) => x.includes("main")), "the path has main");
});

test("program: brushing the half that holds the memory shows that half's numbers", { skip }, async (t) => {
  const profile = await json(apiPath());
  const page = await open(t, `${url}#view=memory`);
  await page.locator(".memory-numbers div").first().waitFor();
  const plot = await page.locator(".strip .plot").boundingBox();
  const { series } = await json(`${apiPath()}/series?name=rss&process=all&points=100000`);
  const grown = series[0].t[series[0].v.findIndex((v) => v > 60e6)];
  assert.ok(grown > 3, `64 MB more from ${grown} s on, and not before`);
  const at = (part) => plot.x + ((grown + (profile.duration_s - grown) * part) / profile.duration_s) * plot.width;
  await page.mouse.move(at(0.2), plot.y + 50);
  await page.mouse.down();
  await page.mouse.move(at(0.8), plot.y + 50, { steps: 6 });
  await page.mouse.up();
  const window_ = await until(() => /from=([\d.]+)&to=([\d.]+)/.exec(state(page)), "the window is in the address");
  await page.keyboard.press("3");
  const { columns, total } = await json(`${apiPath()}/table?from=${window_[1]}&to=${window_[2]}`);
  const hot = columns.total[columns.name.indexOf("hot")];
  const expected = `${((hot / total) * 100).toFixed(1)} %`;
  await until(
    () => page.locator(".rows .row", { hasText: /hot/ }).first().textContent().then((x) => x.includes(expected)).catch(() => false),
    `the table says ${expected}`,
  );
  const windowSeconds = Number(window_[2]) - Number(window_[1]);
  assert.ok(windowSeconds < (profile.duration_s - grown) * 0.7, `${windowSeconds} s are brushed`);
  assert.ok(total / 1e9 < windowSeconds * 1.3, "only the window's time");
});

test("program: a redacted share link opens the view, names no folder, and ends when it is revoked", { skip }, async (t) => {
  const page = await open(t, `${url}#view=table&sort=-total`);
  await page.locator(".rows .row").first().waitFor();
  await page.getByRole("button", { name: /^Share/ }).click();
  await page.getByText("This server listens on this machine only").waitFor();
  await page.getByRole("checkbox", { name: /Redacted/ }).check();
  await page.getByRole("button", { name: "Create link" }).click();
  const link = await page.getByRole("textbox", { name: "The new link" }).inputValue();
  const guest = await open(t, link);
  await guest.locator(".rows .row", { hasText: /hot/ }).first().waitFor();
  assert.match(guest.url(), /view=table.*sort=-total/);
  await guest.getByText("redacted until").waitFor();
  assert.equal(await guest.getByRole("button", { name: /^Share/ }).count(), 0);
  assert.ok(!(await guest.content()).includes(join(here, "programs")), "no folder is on the page");
  await page.getByRole("button", { name: /^Revoke link/ }).first().click();
  await page.getByText("Revoked:").waitFor();
  const late = await openPage(browser, link);
  t.after(() => late.context().close());
  await late.getByText("This link is not valid").waitFor();
});

test("program: the library lists it, and it opens from there", { skip }, async (t) => {
  const page = await open(t, `${origin}/`);
  await page.locator(".card a").first().click();
  await page.waitForURL(/\/p\/\w+$/);
  await page.getByText("complete", { exact: true }).waitFor();
});

test("program: a dropped cProfile file opens with pstats' numbers and is marked estimated", { skip }, async (t) => {
  const saved = join(folder, "fib.prof");
  const script = "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\nfib(12)\n";
  writeFileSync(join(folder, "fib.py"), script);
  const made = spawnSync("python3", ["-m", "cProfile", "-o", saved, join(folder, "fib.py")], { encoding: "utf8" });
  assert.equal(made.status, 0, made.stderr);
  const page = await open(t, `${origin}/`);
  await page.locator("input[type=file]").setInputFiles([saved]);
  await page.waitForURL(/\/p\/\w+/);
  await page.getByText("≈ Estimated").waitFor();
  await page.keyboard.press("3");
  const row = page.locator(".rows .row", { hasText: "fib" }).filter({ hasText: "465/1" });
  await row.first().waitFor();
});

test("program: a file that is no profile is refused with its reason", { skip }, async (t) => {
  const page = await open(t, `${origin}/`);
  const junk = join(folder, "junk.bin");
  writeFileSync(junk, Buffer.from([0, 1, 2, 3, 250, 251, 252]));
  await page.locator("input[type=file]").setInputFiles([junk]);
  await page.getByText(/^Not taken: /).waitFor();
});
