// The memory view: windows, moments, two moments compared, leaks, histograms; on the mock.

import assert from "node:assert/strict";
import { test } from "node:test";

import { mocked, state, until } from "./support/mocked.mjs";

const on = mocked();

const plotBox = (page) => page.locator(".memory-view .plot").boundingBox();
const title = (page) => page.locator(".places-head h2").innerText();
const firstPlace = (page) => page.locator(".memory-list tbody tr").first().innerText();
const asked = () => on.mock.state.requests.filter((r) => r.includes("/memory?")).at(-1) ?? "";

async function at(page, seconds, run = 24) {
  const box = await plotBox(page);
  return [box.x + (seconds / run) * box.width, box.y + box.height / 2];
}

test("memory: of a run that has ended the peak is ranked first, with its share", async (t) => {
  const page = await on.open(t, "/p/heap24#view=memory");
  await until(() => title(page).then((x) => /Alive at the peak[\s\S]*exact/.test(x)), "the peak's composition");
  await until(() => firstPlace(page).then((x) => /40.0 MiB[\s\S]*orders_of[\s\S]*← serve/.test(x)), "its first place");
  await page.getByText("RSS beyond the heap: fragmentation, arenas, mapped files").waitFor();
  await page.getByText("GC runs (3)").waitFor();
});

test("memory: a click asks what was alive then, and the address says so", async (t) => {
  const page = await on.open(t, "/p/heap24#view=memory");
  await page.locator(".memory-list tbody tr").first().waitFor();
  await page.mouse.click(...(await at(page, 5)));
  await until(() => /at=(4\.9|5)/.test(state(page)), "the moment is in the address");
  await until(() => title(page).then((x) => /^Alive at 5/.test(x)), "the title says when");
  await until(() => firstPlace(page).then((x) => /hash_password/.test(x)), "the cache has most then");
  assert.match(asked(), /to=\d/);
  await page.getByRole("slider", { name: /moment looked at/ }).focus();
  const before = state(page);
  await page.keyboard.press("ArrowRight");
  await until(() => state(page) !== before, "the keyboard moves it");
  await page.getByRole("button", { name: "Flame", exact: true }).first().click();
  await until(() => /view=flame/.test(state(page)) && /value=in_use/.test(state(page)), "one click to the picture");
  await until(() => on.mock.state.requests.some((r) => /flame\?value=in_use&to=\d/.test(r)), "of that moment");
  await page.getByText(/^memory as of/).waitFor();
});

test("memory: a window asks what was leaked, allocated and freed in it", async (t) => {
  const page = await on.open(t, "/p/heap24#view=memory");
  await page.locator(".memory-list tbody tr").first().waitFor();
  await page.mouse.move(...(await at(page, 11)));
  await page.mouse.down();
  await page.mouse.move(...(await at(page, 14)), { steps: 4 });
  await page.mouse.up();
  await until(() => /from=/.test(state(page)), "the window is in the address");
  await page.getByRole("button", { name: "Leaked" }).click();
  await until(() => title(page).then((x) => /and alive then/.test(x)), "what is left of the window");
  await until(() => firstPlace(page).then((x) => /orders_of/.test(x)), "the load was not freed yet");
  await page.getByRole("button", { name: "Allocated" }).click();
  await until(() => firstPlace(page).then((x) => /load_session/.test(x)), "the most was taken by work");
  await page.locator(".memory-numbers", { hasText: /slope of the window.*MiB\/(s|min)/ }).waitFor();
  assert.ok(!/at=/.test(state(page)), "a drag is no click");
});

test("memory: two moments are compared by place, and one step back ends it", async (t) => {
  const page = await on.open(t, "/p/heap24#view=memory&at=13&by=function");
  await page.getByRole("button", { name: "Compare from here" }).click();
  await until(() => /base=13/.test(state(page)), "the moment is kept as A");
  await page.mouse.click(...(await at(page, 20)));
  await until(() => title(page).then((x) => /^Change from 13 s \(A\) to 20/.test(x)), "both are named");
  await until(() => firstPlace(page).then((x) => /−40.0 MiB[\s\S]*orders_of/.test(x)), "what went is told as less");
  const grown = await page.locator(".memory-list tbody tr", { hasText: "render_page" }).innerText();
  assert.match(grown, /\+14.0 MiB/);
  const link = page.url();
  const again = await on.open(t, new URL(link).pathname + new URL(link).hash);
  await until(() => title(again).then((x) => /^Change from 13 s/.test(x)), "a link shows the same");
  await page.keyboard.press("Escape");
  await until(() => !/base=/.test(state(page)), "no longer compared");
  await page.keyboard.press("Escape");
  await until(() => !/at=/.test(state(page)), "no moment either");
});

test("memory: allocators are chosen, and everything is asked of them", async (t) => {
  const page = await on.open(t, "/p/heap24#view=memory");
  await page.locator(".memory-list tbody tr").first().waitFor();
  await page.getByRole("checkbox", { name: "Python objects" }).uncheck();
  await until(() => /domain=malloc,mmap/.test(state(page)), "in the address");
  await until(() => page.locator(".memory-list").innerText().then((x) => !/render_page/.test(x)), "objects are gone");
  await page.getByText("allocator: malloc, mmap").waitFor();
});

test("memory: estimates have their error, and what a sample cannot tell is not offered", async (t) => {
  const page = await on.open(t, "/p/heapsampled#view=memory&at=5");
  await until(() => title(page).then((x) => /± .*sampled, one each 512 KiB/s.test(x)), "the step and the error");
  const button = page.getByRole("button", { name: "Temporary" });
  assert.ok(await button.isDisabled());
  assert.match(await button.getAttribute("title"), /Not known in sampled mode/);
});

test("memory: a suspected leak is told with rate and certainty, and leads to its stacks", async (t) => {
  const page = await on.open(t, "/p/heap24#view=memory");
  const leak = page.locator(".memory-findings li").first();
  await leak.waitFor();
  const words = await leak.innerText();
  assert.match(words, /render_page/);
  assert.match(words, /\+120 MiB\/min/);
  assert.match(words, /rose in 23 of 23, 99\.9 % sure/);
  await leak.getByRole("button", { name: "Flame" }).click();
  await until(() => /value=leaked/.test(state(page)) && /view=flame/.test(state(page)), "its flame graph");
});

test("memory: sizes and lifetimes of blocks are told as bars and numbers", async (t) => {
  const page = await on.open(t, "/p/heap24#view=memory");
  const sizes = page.getByRole("region", { name: "Sizes of blocks" });
  await until(() => sizes.innerText().then((x) => /from 32 B[\s\S]*120 k/.test(x)).catch(() => false), "sizes");
  const bars = await sizes.locator(".track > span").evaluateAll((all) => all.map((one) => one.getBoundingClientRect().width));
  assert.ok(bars[0] > 3 * bars[1] && bars[2] < bars[1], `widths ${bars}`);
  assert.match(await page.getByRole("region", { name: "Lifetimes of blocks" }).innerText(), /under 1 ms[\s\S]*90\.0 k/);
});

test("memory: a profile without allocations keeps the plot alone", async (t) => {
  const page = await on.open(t, "/p/run24#view=memory");
  await page.locator(".memory-numbers div").first().waitFor();
  assert.ok(await page.locator(".memory-places").isHidden());
  assert.ok(!on.mock.state.requests.some((r) => r.includes("/run24/memory")));
});
