// CPU time that speedscope takes to import a file, in headless Chromium: the page's own task time until
// the profile is on the screen, less that of a profile with one sample.
//
//   node speedscope.mjs MODULES PLAYWRIGHT FILE        prints {"seconds", "peak_mib"}

import { readFileSync, writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, playwright, file] = process.argv.slice(2);
const { chromium } = createRequire(join(playwright, "package.json"))("playwright-core");
const page = pathToFileURL(join(modules, "node_modules/speedscope/dist/release/index.html")).href;
const folder = mkdtempSync(join(tmpdir(), "heliograph-bench-"));

async function taskSeconds(path) {
  const script = join(folder, "profile.js");
  const text = readFileSync(path).toString("base64");
  writeFileSync(script, `speedscope.loadFileFromBase64(${JSON.stringify(basename(path))}, ${JSON.stringify(text)})`);
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
  try {
    const tab = await browser.newPage();
    const client = await tab.context().newCDPSession(tab);
    await client.send("Performance.enable");
    await tab.goto(`${page}#localProfilePath=${script}`);
    // Its title names the profile once it is shown.
    await tab.waitForFunction((name) => document.title.includes(name), basename(path), { timeout: 300_000 });
    const { metrics } = await client.send("Performance.getMetrics");
    const of = (name) => metrics.find((m) => m.name === name)?.value ?? 0;
    return { seconds: of("TaskDuration"), peak_mib: of("JSHeapTotalSize") / 2 ** 20 };
  } finally {
    await browser.close();
  }
}

try {
  const nothing = join(folder, "nothing.folded");
  writeFileSync(nothing, "main 1\n");
  const base = await taskSeconds(nothing);
  const whole = await taskSeconds(file);
  console.log(JSON.stringify({ seconds: whole.seconds - base.seconds, peak_mib: whole.peak_mib }));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
