// The pictures of the README and the tour, from a real profile of programs/shop.py.
//
//   node screenshots.mjs --heliograph PATH --out DIR [--all]
//
// --all: every view in both themes on a desk and in a hand, to be looked at; otherwise only those
// that the documents show.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { ensurePackages } from "../node_runner.mjs";

const here = dirname(fileURLToPath(import.meta.url));
ensurePackages(here);
const { launch, openPage, ROOT } = await import("./support/browser.mjs");
const { until } = await import("./support/mocked.mjs");

const { values: options } = parseArgs({
  options: { heliograph: { type: "string" }, out: { type: "string" }, all: { type: "boolean", default: false }, program: { type: "string", default: "tests/browser/programs/shop.py" } },
});
if (!options.heliograph || !options.out) {
  console.error("usage: node screenshots.mjs --heliograph PATH --out DIR [--program FILE]");
  process.exit(2);
}

const SHOWN = new Set(["live", "flame-light", "sunburst-dark", "sunburst-light-phone", "table-light", "memory-dark", "threads-light"]);
// Not a shim that starts others first.
const PYTHON = existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3";
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };

/** name, what the address says, and what is done before the picture is taken. */
const PICTURES = [
  ["sunburst", "value=cpu", (page) => hover(page, ".sunburst-stage", 0.64, 0.42)],
  ["flame", "view=flame&value=cpu", (page) => hover(page, ".flame-stage", 0.2, 0.28)],
  ["search", "view=flame&q=password&value=cpu"],
  ["table", "view=table&value=cpu"],
  ["memory", "view=memory"],
  ["moments", "view=memory&base=3&at=8", (page) => page.locator(".memory-places").scrollIntoViewIfNeeded({ timeout: 2000 }).catch(() => undefined)],
  ["threads", "view=threads"],
];

async function hover(page, selector, x, y) {
  const box = await page.locator(selector).boundingBox();
  await page.mouse.move(box.x + box.width * x, box.y + box.height * y);
}

mkdirSync(options.out, { recursive: true });
const folder = mkdtempSync(join(tmpdir(), "heliograph-pictures-"));
let said = "";
const child = spawn(
  resolve(options.heliograph),
  ["run", "--no-open", "--store", join(folder, "store.db"), "--", PYTHON, options.program],
  { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] },
);
for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += chunk));
const browser = await launch();
try {
  const url = await until(() => /http:\/\/\S+\/p\/\w+/.exec(said)?.[0], "heliograph prints its URL", 30_000);
  const profile = `${new URL(url).origin}/api/v1/profiles/${url.split("/").pop()}`;
  await until(async () => (await (await fetch(profile)).json()).duration_s > 6, "six seconds of samples", 60_000);
  await take("live", url, "value=cpu", DESKTOP, "dark");
  await until(async () => (await (await fetch(profile)).json()).state !== "live", "the program ends", 120_000);
  for (const [name, address, before] of PICTURES)
    for (const theme of ["light", "dark"]) {
      await take(`${name}-${theme}`, url, address, DESKTOP, theme, before);
      await take(`${name}-${theme}-phone`, url, address, PHONE, theme);
    }
  await take("library-light", new URL(url).origin, "", DESKTOP, "light");
} finally {
  await browser.close();
  child.kill("SIGINT");
  await new Promise((done) => (child.exitCode === null ? child.once("exit", done) : done()));
  rmSync(folder, { recursive: true, force: true });
}

async function take(name, url, address, size, theme, before) {
  if (!options.all && !SHOWN.has(name)) return;
  const page = await openPage(browser, url + (address ? `#${address}` : ""), { ...size, theme });
  await page.locator("main").waitFor();
  await page.waitForTimeout(1200);
  await before?.(page);
  await page.waitForTimeout(150);
  await page.screenshot({ path: join(options.out, `${name}.png`) });
  await page.context().close();
  console.log(join(options.out, `${name}.png`));
}
