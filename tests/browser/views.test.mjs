import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { pixelAt } from "./support/browser.mjs";
import { mocked, state, until } from "./support/mocked.mjs";

const on = mocked();
const FLAME = ".flame-stage canvas";
const SUN = ".sunburst-stage canvas";
const drawn = (page, selector) =>
  until(() => pixelAt(page, selector, 30, 10).then((p) => p[3] === 255 && !p.slice(0, 3).every((c) => c > 250)).catch(() => false), "the picture is drawn");

test("sunburst: the first view has the whole in its middle and its functions beside it", async (t) => {
  const page = await on.open(t, "/p/run24");
  await page.getByText("100 %", { exact: true }).first().waitFor();
  assert.equal(await page.locator("h1").textContent(), "python3 login.py --workers 2");
  assert.match(await page.locator(".verdict").textContent(), /^47 % in hash_password/);
  const { rows, total } = await on.table("run24");
  const wait = rows.get("Condition.wait");
  const first = page.locator(".detail .links li").first();
  assert.match(await first.textContent(), new RegExp(`Condition\\.wait${((wait.self / total) * 100).toFixed(1)} %`));
});

test("sunburst: a click puts the arc in the middle, the middle leads back out", async (t) => {
  const page = await on.open(t, "/p/run24");
  await page.locator(".sunburst-centre .share").waitFor();
  const box = await page.locator(SUN).first().boundingBox();
  const middle = [box.x + box.width / 2, box.y + box.height / 2];
  const radius = Math.min(box.width, box.height) / 2 - 10;
  // The first ring to the right of the top is the widest child: the workers' threads.
  await page.mouse.click(middle[0] + radius * 0.2, middle[1] - radius * 0.23);
  await until(() => state(page).includes("root="), "the address has the root");
  await until(() => page.locator(".crumbs li").last().textContent().then((x) => x === "Thread._bootstrap"), "the path ends there");
  await until(() => page.locator(".sunburst-centre .share").textContent().then((x) => x === "66.7 %"), "its share in the middle");
  await page.mouse.click(middle[0], middle[1]);
  await until(() => !state(page).includes("root="), "the root is taken back");
  await page.goBack();
  await until(() => state(page).includes("root="), "back brings it again");
  await page.reload();
  await until(() => page.locator(".crumbs li").last().textContent().then((x) => x === "Thread._bootstrap").catch(() => false), "the link reproduces it");
});

test("sunburst: hovering tells name, place, self and total in samples, seconds and percent", async (t) => {
  const page = await on.open(t, "/p/run24");
  await page.locator(".sunburst-centre .share").waitFor();
  const box = await page.locator(SUN).first().boundingBox();
  const radius = Math.min(box.width, box.height) / 2 - 10;
  // Outwards from the middle to the first ring, wherever it begins.
  let reach = 0.14;
  const text = await until(async () => {
    reach = reach > 0.4 ? 0.14 : reach + 0.02;
    await page.mouse.move(box.x + box.width / 2 + radius * reach * 0.66, box.y + box.height / 2 - radius * reach * 0.75);
    const words = await page.locator(".tooltip").innerText().catch(() => "");
    return words.startsWith("Thread._bootstrap\n") ? words : null;
  }, "the first ring's widest arc");
  assert.match(text, /Thread\._bootstrap/);
  assert.match(text, /threading\.py:1030/);
  assert.match(text.replaceAll("\u202f", ""), /total\s+4800 samples\s+48\.0 s\s+66\.7 %/);
  assert.match(text, /self\s+0 samples\s+0 s\s+0\.00 %/);
});

test("flame: zooming by click, by keys and back to everything", async (t) => {
  const page = await on.open(t, "/p/run24#view=flame");
  await drawn(page, FLAME);
  const box = await page.locator(FLAME).first().boundingBox();
  await page.mouse.click(box.x + box.width * 0.8, box.y + 36);
  await until(() => state(page).includes("root="), "zoomed");
  await until(() => page.locator(".detail h2").first().textContent().then((x) => x === "<module>"), "its details");
  await page.keyboard.press("Backspace");
  await until(() => !state(page).includes("root="), "out again");
  await page.locator(".flame-stage").focus();
  for (const key of ["ArrowDown", "ArrowDown", "ArrowRight", "Enter"]) await page.keyboard.press(key);
  await until(() => state(page).includes("root="), "the keyboard zooms");
  await until(() => page.locator(".crumbs li").last().textContent().then((x) => x === "<module>"), "the path ends there");
  await page.keyboard.press("0");
  await until(() => !state(page).includes("root="), "0 shows everything");
});

test("flame: the wheel zooms about the pointer and dragging pans, without touching the address", async (t) => {
  const page = await on.open(t, "/p/run24#view=flame");
  await drawn(page, FLAME);
  const box = await page.locator(FLAME).first().boundingBox();
  const before = await pixelAt(page, FLAME, box.width * 0.5, 36);
  await page.mouse.move(box.x + box.width - 3, box.y + 36);
  for (let i = 0; i < 6; i++) await page.mouse.wheel(0, -300);
  await until(async () => (await pixelAt(page, FLAME, box.width * 0.5, 36)).join() !== before.join(), "the picture has moved");
  assert.ok(!state(page).includes("root="));
  const zoomed = await page.evaluate(() => document.querySelector(".flame-stage canvas").toDataURL());
  await page.mouse.move(box.x + 100, box.y + 60);
  await page.mouse.down();
  await page.mouse.move(box.x + 300, box.y + 60, { steps: 4 });
  await page.mouse.up();
  await until(() => page.evaluate(() => document.querySelector(".flame-stage canvas").toDataURL()).then((now) => now !== zoomed), "dragging pans");
  assert.ok(!state(page).includes("root="), "dragging is not clicking");
});

test("flame in time: a lane a thread, a click goes to the box, the address keeps what is in sight", async (t) => {
  const page = await on.open(t, "/p/run24#view=flame");
  await drawn(page, FLAME);
  await page.getByRole("button", { name: "In time" }).click();
  await until(() => state(page).includes("order=time"), "the order is in the address");
  await until(() => page.locator(".time-sight").textContent().then((x) => x === "24.0 s in all").catch(() => false), "all of it is in sight");
  const rows = await page.locator(".time-view table tbody tr").allTextContents();
  assert.ok(rows.length >= 3 && rows.some((row) => row.startsWith("MainThread")), `a row a thread: ${rows}`);
  const box = await page.locator(FLAME).first().boundingBox();
  await until(async () => {
    await page.mouse.move(box.x + 200 + Math.random() * 8, box.y + 30);
    return (await page.locator(".tooltip").innerText().catch(() => "")).includes("lasted");
  }, "the tooltip tells from when and how long");
  // Down the lane to the first box that is not there all the time.
  let y = 30;
  await until(async () => {
    y = y > 300 ? 30 : y + 20;
    await page.mouse.move(box.x + 200 + Math.random() * 4, box.y + y);
    const text = await page.locator(".tooltip").innerText().catch(() => "");
    return /lasted\s+([\d.]+ ms|\d\.\d+ s)/.test(text) && text.includes(".py");
  }, "a box of a part of the time");
  await page.mouse.click(box.x + 202, box.y + y);
  await until(() => /sight=[\d.]+-[\d.]+/.test(state(page)), "what is in sight is in the address");
  await until(() => /sel=\d+/.test(state(page)), "and the function is chosen");
  const seen = await page.locator(".time-sight").textContent();
  await page.reload();
  await until(() => page.locator(".time-sight").textContent().then((x) => x === seen).catch(() => false), "the link reproduces it");
  await page.locator(".flame-stage").focus();
  await page.keyboard.press("0");
  await until(() => !state(page).includes("sight="), "0 shows everything");
  await page.keyboard.press("ArrowDown");
  await until(async () => {
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.waitForTimeout(200);
    return state(page).includes("sight=");
  }, "the keyboard goes down to a part too");
  await page.keyboard.press("o");
  await until(() => !state(page).includes("order="), "o leads back to the merged picture");
});

test("flame in time: a profile without times says so", async (t) => {
  const page = await on.open(t, "/p/pstats1#view=flame&order=time");
  await page.getByText("does not say when its samples were taken").waitFor();
});

test("pictures: threads, grouping and folding are asked for and in the address", async (t) => {
  const page = await on.open(t, "/p/run24#view=flame");
  await drawn(page, FLAME);
  await page.getByRole("button", { name: "by function" }).click();
  await page.getByRole("menuitem", { name: "a box a package" }).click();
  await until(() => on.mock.state.requests.some((r) => r.includes("/run24/flame") && r.includes("group=package")), "asked by package");
  assert.ok(state(page).includes("group=package"));
  await page.getByRole("button", { name: "by package" }).click();
  await page.getByRole("menuitem", { name: "fold recursion" }).click();
  await until(() => on.mock.state.requests.some((r) => r.includes("group=package") && r.includes("collapse=1")), "asked folded");
  await page.getByRole("button", { name: "all threads" }).click();
  await page.getByRole("menuitem", { name: /MainThread/ }).click();
  await until(() => /thread=\d+/.test(state(page)), "one thread");
  await page.getByRole("button", { name: "Remove: a box a package" }).click();
  await until(() => !state(page).includes("group="), "the chip takes it away");
});

test("menu: a module is hidden from every view, and its chip says which", async (t) => {
  const page = await on.open(t, "/p/run24#view=table");
  await page.locator(".rows .row").first().click({ button: "right" });
  await page.getByRole("menuitem", { name: /^Hide all of threading/ }).click();
  await until(() => /hidemod=\d+/.test(state(page)), "in the address");
  await page.getByText("hidden: all of threading").waitFor();
  await until(() => on.mock.state.requests.some((r) => r.includes("/run24/table") && r.includes("hidemod=")), "the table is asked without it");
});

test("flame: inverted puts what runs at the root", async (t) => {
  const page = await on.open(t, "/p/run24#view=flame");
  await drawn(page, FLAME);
  await page.getByRole("button", { name: "Inverted" }).click();
  await until(() => on.mock.state.requests.some((r) => r.includes("/run24/flame") && r.includes("invert=1")), "asked inverted");
  const box = await page.locator(FLAME).first().boundingBox();
  await until(async () => {
    await page.mouse.move(box.x + 20 + Math.random() * 8, box.y + 40);
    return (await page.locator(".tooltip").innerText().catch(() => "")).includes("Condition.wait");
  }, "the tooltip names what runs");
});

test("search: the share is that of the server's own numbers, and Escape clears it", async (t) => {
  const page = await on.open(t, "/p/run24#view=flame");
  await drawn(page, FLAME);
  await page.keyboard.press("/");
  await page.keyboard.type("hash_password");
  const { rows, total } = await on.table("run24");
  const expected = `${((rows.get("hash_password").total / total) * 100).toFixed(1)} %`;
  await until(() => page.locator(".search .result b").first().textContent().then((x) => x === expected).catch(() => false), `the share is ${expected}`);
  await until(() => state(page).includes("q=hash_password"), "the search is in the address");
  // What does not match is dimmed: nearly the background.
  const dim = await pixelAt(page, FLAME, 300, 36);
  assert.ok(dim.slice(0, 3).every((c) => c > 225), `dimmed pixel ${dim}`);
  await page.keyboard.press("Escape");
  await until(() => !state(page).includes("q="), "cleared");
});

test("search: a broken regular expression is taken literally", async (t) => {
  const page = await on.open(t, "/p/run24#q=%5B");
  await until(() => page.locator(".search .result").getAttribute("title").then((x) => x?.includes("as it stands")), "it says so");
});

test("plot: a window filters every view, and the numbers are those of the window", async (t) => {
  const page = await on.open(t, "/p/run24#view=table");
  await page.locator(".rows .row").first().waitFor();
  const plot = await page.locator(".strip .plot").boundingBox();
  const at = (s) => plot.x + (s / 24) * plot.width;
  await page.mouse.move(at(8.5), plot.y + 50);
  await page.mouse.down();
  await page.mouse.move(at(13.5), plot.y + 50, { steps: 8 });
  await page.mouse.up();
  const window_ = await until(() => /from=([\d.]+)&to=([\d.]+)/.exec(state(page)), "the window is in the address");
  assert.ok(Math.abs(Number(window_[1]) - 8.5) < 0.1 && Math.abs(Number(window_[2]) - 13.5) < 0.1, window_[0]);
  const { rows, total } = await on.table("run24", `from=${window_[1]}&to=${window_[2]}`);
  const expected = (rows.get("datetime.strftime").self / 1e9).toPrecision(3);
  await until(
    () => page.locator(".rows .row", { hasText: "datetime.strftime" }).textContent().then((x) => x.startsWith(`${expected} s`)).catch(() => false),
    `the table says ${expected} s`,
  );
  assert.ok(rows.get("datetime.strftime").self / total > 0.15, "in this window the report is written");
  await page.getByRole("tab", { name: "Sunburst" }).click();
  await until(() => page.locator(".sunburst-centre .amount").textContent().then((x) => x === `${(total / 1e9).toPrecision(3)} s`).catch(() => false), "the sunburst shows the window");
  await page.getByRole("button", { name: /^Remove: 8\.5 s to/ }).click();
  await until(() => !state(page).includes("from="), "the chip takes it away");
});

test("plot: the keyboard moves the window's ends", async (t) => {
  const page = await on.open(t, "/p/run24");
  const start = page.getByRole("slider", { name: /^Memory and CPU over time: window start/ });
  await start.focus();
  for (let i = 0; i < 5; i++) await page.keyboard.press("ArrowRight");
  await until(() => /from=2\.4\b/.test(state(page)), "five steps of a fiftieth");
  assert.equal(await start.getAttribute("aria-valuenow"), "2.40");
  await page.keyboard.press("Delete");
  await until(() => !state(page).includes("from="), "taken away");
});

test("table: a click on a title sorts, again turns it around, and the link keeps it", async (t) => {
  const page = await on.open(t, "/p/run24#view=table");
  const first = page.locator(".rows .row .fn").first();
  await until(() => first.textContent().then((x) => x === "Condition.wait"), "by self first");
  await page.getByRole("columnheader", { name: /^Function/ }).getByRole("button").click();
  await until(() => first.textContent().then((x) => x === "<module>"), "by name");
  await page.getByRole("columnheader", { name: /^Function/ }).getByRole("button").click();
  await until(() => first.textContent().then((x) => x === "worker"), "by name, backwards");
  assert.match(state(page), /sort=-name/);
  await page.reload();
  await until(() => first.textContent().then((x) => x === "worker"), "after reload too");
});

test("table: rows can be copied as CSV", async (t) => {
  const page = await on.open(t, "/p/run24#view=table&q=hash_password");
  await page.locator(".rows .row").first().waitFor();
  await until(() => page.locator(".rows .row").count().then((n) => n === 1), "only the match is left");
  await page.getByRole("button", { name: "Copy CSV" }).click();
  await page.getByText("Copied 1 rows").waitFor();
  const csv = await page.evaluate(() => navigator.clipboard.readText());
  const { rows } = await on.table("run24");
  assert.ok(csv.includes(`${rows.get("hash_password").total}`), csv);
});

test("table: a call graph has pstats' columns and digits", async (t) => {
  const page = await on.open(t, "/p/pstats1#view=table");
  const row = page.locator(".rows .row", { hasText: "group" }).first();
  await row.waitFor();
  const cells = await row.locator(".cell").allTextContents();
  assert.deepEqual(cells.slice(0, 6), ["8191/12", "2.860000", "0.000349", "3.400000", "0.283333", "group"]);
});

test("call graphs are marked as estimated, in words and by hatching", async (t) => {
  const page = await on.open(t, "/p/pstats1#view=flame");
  await page.getByText("≈ Estimated").waitFor();
  const box = await page.locator(FLAME).first().boundingBox();
  await page.mouse.move(box.x + 30, box.y + 5 * 26 + 10);
  await page.locator(".tooltip").waitFor();
  assert.match(await page.locator(".tooltip").innerText(), /strptime[\s\S]*≈ apportioned/);
});

test("callers: the chosen function stands between who calls it and what it calls", async (t) => {
  const id = await on.id("run24", "login");
  const page = await on.open(t, `/p/run24#view=callers&sel=${id}`);
  await page.locator(".sandwich .middle h2").waitFor();
  assert.equal(await page.locator(".sandwich section").first().locator(".fn").textContent(), "Handler.handle_one_request");
  await page.locator(".sandwich section").last().getByRole("button", { name: /hash_password/ }).click();
  await until(() => page.locator(".sandwich .middle h2").textContent().then((x) => x === "hash_password"), "walks along");
});

test("lines: the code stands beside what each line cost", async (t) => {
  const id = await on.id("run24", "hash_password");
  const page = await on.open(t, `/p/run24#view=lines&sel=${id}`);
  const hot = page.locator("tr.heat-4");
  await hot.waitFor();
  assert.match(await hot.textContent(), /15.*pbkdf2_hmac/);
});

test("memory: the peak is where it is, and series can be switched", async (t) => {
  const page = await on.open(t, "/p/run24#view=memory");
  await page.getByText("peak, at 14 s").waitFor();
  assert.match(await page.locator(".memory-numbers").innerText(), /308 MiB/);
  const before = await page.evaluate(() => document.querySelector(".memory-view canvas").toDataURL());
  await page.getByRole("checkbox", { name: "USS" }).uncheck();
  await until(() => page.evaluate(() => document.querySelector(".memory-view canvas").toDataURL()).then((now) => now !== before), "a line is gone");
});

test("threads: one thread can be chosen for every view", async (t) => {
  const page = await on.open(t, "/p/run24#view=threads");
  await page.getByRole("button", { name: /^worker-0/ }).click();
  await until(() => state(page).includes("thread=1"), "in the address");
  await page.getByRole("tab", { name: "Sunburst" }).click();
  await until(() => page.locator(".sunburst-centre .amount").textContent().then((x) => x === "24.0 s").catch(() => false), "one thread's time");
});

test("menu: focus and hide change what is asked, and chips take them back", async (t) => {
  const page = await on.open(t, "/p/run24#view=table");
  await page.locator(".rows .row", { hasText: "handle_one_request" }).first().click({ button: "right" });
  await page.getByRole("menuitem", { name: /^Focus/ }).click();
  await page.getByText("focus: Handler.handle_one_request").waitFor();
  const waits = page.locator(".rows .row", { hasText: "Condition.wait" });
  await until(() => waits.count().then((n) => n === 0), "other stacks are gone");
  await page.locator(".rows .row", { hasText: "hash_password" }).click({ button: "right" });
  await page.getByRole("menuitem", { name: /^Hide:/ }).click();
  await page.getByText("hidden: hash_password").waitFor();
  await until(() => page.locator(".rows .row", { hasText: "hash_password" }).count().then((n) => n === 0), "its frames are gone");
  await page.getByRole("button", { name: "Remove: hidden: hash_password" }).click();
  await until(() => page.locator(".rows .row", { hasText: "hash_password" }).count().then((n) => n === 1), "and back");
});

test("menu: it opens at the pointer, arrows move in it, Escape closes it", async (t) => {
  const page = await on.open(t, "/p/run24#view=flame");
  await drawn(page, FLAME);
  const box = await page.locator(FLAME).first().boundingBox();
  await page.mouse.click(box.x + 60, box.y + 36, { button: "right" });
  const menu = page.getByRole("menu");
  await menu.waitFor();
  await page.keyboard.press("ArrowDown");
  assert.match(await page.evaluate(() => document.activeElement.textContent), /^Focus/);
  await page.keyboard.press("Escape");
  await until(() => menu.count().then((n) => n === 0), "closed");
});

test("notes: one is pinned to a function and a window, leads back to them, and is taken away", async (t) => {
  const id = await on.id("run24", "hash_password");
  const page = await on.open(t, `/p/run24#view=table&sel=${id}&from=4&to=9`);
  await page.getByRole("button", { name: "Pin a note…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText(/hash_password.*4.*9/).waitFor();
  const hostile = "</script><b>slow</b>\nsecond line";
  await dialog.getByRole("textbox").fill(hostile);
  await page.keyboard.press("Control+Enter");
  const note = page.locator(".note-list li");
  await note.waitFor();
  assert.equal(await note.locator("p").textContent(), hostile);
  assert.equal(await note.locator("b").count(), 0);
  const other = await on.open(t, "/p/run24#view=flame");
  await other.getByRole("button", { name: "Go to where it was pinned" }).or(other.locator(".note-where")).first().click();
  await until(() => state(other).includes(`sel=${id}`) && state(other).includes("from=4"), "the function and the window");
  await other.getByRole("button", { name: "Take this note away" }).click();
  await until(() => other.locator(".note-list li").count().then((n) => n === 0), "no note");
});

test("keys: 1 to 7 choose the views, ? shows the help, t the theme", async (t) => {
  const page = await on.open(t, "/p/run24");
  await page.locator(".sunburst-centre .share").waitFor();
  for (const [key, view] of [["2", "Flame"], ["3", "Table"], ["4", "Callers"], ["5", "Lines"], ["6", "Memory"], ["7", "Threads"], ["1", "Sunburst"]]) {
    await page.keyboard.press(key);
    await until(() => page.getByRole("tab", { name: view }).getAttribute("aria-selected").then((x) => x === "true"), `${key} shows ${view}`);
  }
  // The overview has a heading of the same name: the dialog is what is waited for, and that it has let go of the keys.
  await page.keyboard.press("?");
  await page.getByRole("dialog").getByRole("heading", { name: "Getting around" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await page.waitForFunction(() => !document.activeElement?.closest("dialog"));
  await page.keyboard.press("t");
  await until(() => page.evaluate(() => document.documentElement.dataset.theme === "dark"), "the dark theme");
});

test("share: the link that is copied opens the same view", async (t) => {
  const page = await on.open(t, "/p/run24#view=table&sort=name&q=json&from=2&to=9");
  await page.locator(".rows .row").first().waitFor();
  await page.getByRole("button", { name: /^Share/ }).click();
  await page.getByRole("button", { name: "Copy this page's address" }).click();
  await page.getByText("Address copied").waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  const other = await on.open(t, link.slice(on.mock.url.length));
  await other.locator(".rows .row").first().waitFor();
  const rows = (p) => p.locator(".rows .row").allTextContents();
  assert.deepEqual(await rows(other), await rows(page));
});

test("export: the picture is saved as PNG and the server's formats are offered", async (t) => {
  const page = await on.open(t, "/p/run24#view=flame");
  await drawn(page, FLAME);
  await page.getByRole("button", { name: "Export", exact: true }).click();
  assert.equal(await page.getByRole("menuitem", { name: "Folded stacks" }).getAttribute("href"), "/api/v1/profiles/run24/export?format=folded");
  const download = page.waitForEvent("download");
  await page.getByRole("menuitem", { name: /PNG/ }).click();
  assert.equal((await download).suggestedFilename(), "run24-flame.png");
});

for (const view of ["flame", "sunburst"])
  test(`export: the ${view} is saved as SVG, hostile names and all, as well-formed XML`, async (t) => {
    const page = await on.open(t, `/p/hostile#view=${view}`);
    await page.locator(".legend button").first().waitFor();
    await page.getByRole("button", { name: "Export", exact: true }).click();
    const download = page.waitForEvent("download");
    await page.getByRole("menuitem", { name: /SVG/ }).click();
    const svg = readFileSync(await (await download).path(), "utf8");
    const root = await page.evaluate((text) => {
      const parsed = new DOMParser().parseFromString(text, "image/svg+xml");
      return { name: parsed.documentElement.nodeName, scripts: parsed.querySelectorAll("script, img, foreignObject").length, text: parsed.documentElement.textContent };
    }, svg);
    assert.equal(root.name, "svg");
    assert.equal(root.scripts, 0);
    assert.match(root.text, /<\/script><script>/);
    assert.ok(svg.length < 100_000);
  });
