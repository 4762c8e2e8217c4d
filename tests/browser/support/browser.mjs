// Chromium for the tests: Debian's own, driven by playwright-core.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { spawnSync } from "node:child_process";

const here = dirname(fileURLToPath(import.meta.url));
export const ROOT = join(here, "../../..");

const BROWSERS = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export function findBrowser() {
  return BROWSERS.find((path) => path && existsSync(path)) ?? null;
}

export async function launch() {
  const { chromium } = await import("playwright-core");
  const executablePath = findBrowser();
  if (!executablePath) throw new Error("no Chromium: apt-get install chromium, or set CHROMIUM");
  // Its sandbox needs rights that containers do not give; only our own pages are opened.
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--force-color-profile=srgb"] });
}

/** Bundles the page into `out`. */
export function buildPage(out) {
  const done = spawnSync(process.execPath, [join(ROOT, "frontend/build.mjs"), "--out", out], { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`the page could not be built: ${done.stderr}`);
  return done.stdout.trim();
}

/** A page that fails the test when a script throws or the policy is broken. */
export async function openPage(browser, url, { width = 1280, height = 800, theme = "light", ...more } = {}) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: theme,
    reducedMotion: "reduce",
    ...more,
  });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]).catch(() => undefined);
  const page = await context.newPage();
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(`script: ${error.message}`));
  page.on("console", (message) => {
    const text = message.text();
    if (message.type() === "error" && !/Failed to load resource|WebSocket connection/.test(text)) page.problems.push(text);
  });
  await page.goto(url);
  return page;
}

/** Colour of a canvas pixel, in CSS pixels from the canvas' corner. */
export function pixelAt(page, selector, x, y) {
  return page.evaluate(
    ([selector_, x_, y_]) => {
      const canvas = document.querySelector(selector_);
      const ratio = canvas.width / canvas.getBoundingClientRect().width;
      return [...canvas.getContext("2d").getImageData(Math.round(x_ * ratio), Math.round(y_ * ratio), 1, 1).data];
    },
    [selector, x, y],
  );
}
