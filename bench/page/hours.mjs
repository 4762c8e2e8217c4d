// Eight hours of a live page, at speed: the mock's clock goes ten seconds with each answer. Prints what
// the page holds on the way.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const tests = new URL("../../tests/browser/", import.meta.url);
const { startMock } = await import(new URL("mock/server.mjs", tests));
const { buildPage, launch, openPage } = await import(new URL("support/browser.mjs", tests));

const HOURS = 8;
const dist = mkdtempSync(join(tmpdir(), "heliograph-hours-"));
buildPage(dist);
const mock = await startMock({ dist });
const browser = await launch();
const page = await openPage(browser, `${mock.url}/p/hours#view=flame`, { width: 1280, height: 800 });
await page.locator(".legend button").first().waitFor();
const session = await page.context().newCDPSession(page);
await session.send("Performance.enable");
const profile = mock.profiles.get("hours");
for (let hour = 0; hour <= HOURS; hour++) {
  while (profile.duration() < hour * 3600) await page.waitForTimeout(200);
  await session.send("HeapProfiler.collectGarbage");
  const { metrics } = await session.send("Performance.getMetrics");
  const of = (name) => metrics.find((m) => m.name === name).value;
  console.log(`live, ${hour} h: ${profile.rev()} answers drawn, JS heap ${(of("JSHeapUsedSize") / 1e6).toFixed(2)} MB, ${of("Nodes")} nodes, ${of("JSEventListeners")} listeners`);
}
await browser.close();
await mock.close();
rmSync(dist, { recursive: true, force: true });
