// How fast the page is, in Chromium without a GPU, on what the mock makes: 2.4 million boxes, a day
// of memory, a live profile watched for long. Prints one line for each claim.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { startMock } from "./mock/server.mjs";
import { buildPage, launch, openPage } from "./support/browser.mjs";

const dist = mkdtempSync(join(tmpdir(), "heliograph-bench-"));
console.log(buildPage(dist));
const mock = await startMock({ dist });
const browser = await launch();

/** From navigation to the frame that shows the picture. */
async function firstPaint(path, canvas) {
  const times = [];
  for (let round = 0; round < 5; round++) {
    const page = await openPage(browser, "about:blank", { width: 1440, height: 900 });
    await page.addInitScript((selector) => {
      const look = () => {
        const element = document.querySelector(selector);
        if (element && element.width > 300) {
          // One line of pixels: looking must not cost what is measured.
          const pixels = element.getContext("2d").getImageData(0, Math.floor(element.height / 3), element.width, 1).data;
          let colours = 0;
          for (let i = 0; i < pixels.length; i += 44) if (pixels[i + 3] === 255 && Math.abs(pixels[i] - pixels[i + 2]) > 24) colours++;
          if (colours > 3) {
            window.__painted = performance.now();
            return;
          }
        }
        requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    }, canvas);
    await page.goto(mock.url + path);
    await page.waitForFunction(() => window.__painted, null, { timeout: 60_000 });
    times.push(await page.evaluate(() => window.__painted));
    await page.context().close();
  }
  times.sort((a, b) => a - b);
  return times[2];
}

/** Frames a second and the longest gap while `act` runs on the page. */
async function frames(page, act) {
  await page.evaluate(() => {
    window.__gaps = [];
    let last = performance.now();
    const tick = (now) => {
      window.__gaps.push(now - last);
      last = now;
      window.__ticking = requestAnimationFrame(tick);
    };
    window.__ticking = requestAnimationFrame(tick);
  });
  await act();
  const gaps = await page.evaluate(() => {
    cancelAnimationFrame(window.__ticking);
    return window.__gaps.slice(2);
  });
  const sum = gaps.reduce((a, b) => a + b, 0);
  return `${((gaps.length / sum) * 1000).toFixed(0)} frames/s, longest ${Math.max(...gaps).toFixed(0)} ms`;
}

async function rendererMegabytes(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const { metrics } = await (await session.send("Performance.enable"), session.send("Performance.getMetrics"));
  return metrics.find((m) => m.name === "JSHeapUsedSize").value / 1e6;
}

mock.profiles.get("huge").rows(); // the server's work is not the page's
mock.profiles.get("day").series();
for (const path of ["huge/flame", "day/series?points=1500&name=rss%2Cheap%2Ccpu&process=all", "day/series?points=3000"])
  await (await fetch(`${mock.url}/api/v1/profiles/${path}`)).arrayBuffer();

console.log(`9,600 samples: first paint ${(await firstPaint("/p/run24#view=flame", ".flame-stage canvas")).toFixed(0)} ms, sunburst ${(await firstPaint("/p/run24", ".sunburst-stage canvas")).toFixed(0)} ms`);
console.log(`2.4 M boxes: flame first paint ${(await firstPaint("/p/huge#view=flame", ".flame-stage canvas")).toFixed(0)} ms, sunburst ${(await firstPaint("/p/huge", ".sunburst-stage canvas")).toFixed(0)} ms`);

const page = await openPage(browser, `${mock.url}/p/huge#view=flame`, { width: 1440, height: 900, reducedMotion: "no-preference" });
await page.locator(".legend button").first().waitFor();
const box = await page.locator(".flame-stage canvas").first().boundingBox();
const zoom = await frames(page, async () => {
  await page.mouse.move(box.x + box.width * 0.4, box.y + 200);
  await page.keyboard.down("Control");
  for (let i = 0; i < 40; i++) await page.mouse.wheel(0, i < 20 ? -120 : 120);
  await page.keyboard.up("Control");
  await page.waitForTimeout(300);
});
const pan = await frames(page, async () => {
  await page.keyboard.down("Control");
  for (let i = 0; i < 8; i++) await page.mouse.wheel(0, -200);
  await page.keyboard.up("Control");
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.1, box.y + 260, { steps: 60 });
  await page.mouse.up();
});
console.log(`2.4 M boxes: zoom ${zoom}; pan ${pan}`);
const search = await page.evaluate(async () => {
  const input = document.querySelector(".search input");
  input.focus();
  input.value = "number_1";
  const began = performance.now();
  input.dispatchEvent(new Event("input", { bubbles: true }));
  input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
  while (!document.querySelector(".search .result b")) await new Promise(requestAnimationFrame);
  return performance.now() - began;
});
console.log(`2.4 M boxes: search with covered share ${search.toFixed(0)} ms; JS heap ${(await rendererMegabytes(page)).toFixed(0)} MB`);
await page.context().close();

console.log(`864,000 points x 3 series: first paint ${(await firstPaint("/p/day", ".memory-view canvas")).toFixed(0)} ms`);

const live = await openPage(browser, `${mock.url}/p/live1#view=flame`, { width: 1280, height: 800 });
await live.locator(".legend button").first().waitFor();
await live.waitForTimeout(2000);
const first = await rendererMegabytes(live);
const asked = mock.state.requests.length;
await live.waitForTimeout(20_000);
const last = await rendererMegabytes(live);
console.log(`live for 20 s: ${mock.state.requests.length - asked} answers drawn, JS heap ${first.toFixed(1)} -> ${last.toFixed(1)} MB`);

await browser.close();
await mock.close();
rmSync(dist, { recursive: true, force: true });
