// The Compare page on two profiles whose difference is known.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { pixelAt, ROOT } from "./support/browser.mjs";
import { state, until } from "./support/mocked.mjs";
import { served, skip } from "./support/served.mjs";

const NASTY = "</script><img src=x onerror=alert(1)>";
const BEFORE = ["main;work;old 300", "main;work;same 500", "main;rest 200"];
const AFTER = ["main;work;new 900", "main;work;same 500", "main;rest 100", `main;${NASTY} 40`];
let path = "";
let base = "";
let target = "";

const on = served(async (server) => {
  base = await server.upload("before", BEFORE.join("\n"));
  target = await server.upload("after", AFTER.join("\n"));
  path = `/d/${base}..${target}`;
});

const row = (page, name) => page.locator(".grid .rows .row", { hasText: name }).first();
const colour = async (page, x, y) => (await pixelAt(page, ".flame-stage canvas", x, y)).slice(0, 3);

test("compare: one sentence, and a table with regressions first", { skip }, async (t) => {
  const page = await on.open(t, path);
  await until(() => page.locator(".verdict").textContent().then((x) => /1.000 → 1.540 \(\+54\.0 %\)/.test(x)), "the verdict has both totals");
  assert.match(await row(page, "new").innerText(), /newadded[\s\S]*\+900/);
  assert.match(await row(page, "old").innerText(), /−300[\s\S]*gone/);
  assert.match(await row(page, "same").innerText(), /±0/);
  const first = await page.locator(".grid .rows .row").first().innerText();
  assert.match(first, /▲/, "what regressed is marked");
  await page.getByRole("button", { name: "Function" }).click();
  await until(() => state(page).includes("sort=name"), "the order is in the address");
  assert.match(await page.locator(".grid .rows .row").first().innerText(), /</);
});

test("compare: a chosen function is the same one in every view", { skip }, async (t) => {
  const page = await on.open(t, path);
  await row(page, "rest").click();
  await until(() => page.locator(".detail h2").first().textContent().then((x) => x === "rest"), "its details");
  const numbers = (await page.locator(".diff-numbers").innerText()).replace(/\s+/g, " ");
  assert.match(numbers, /self 200 100 −100 −50\.0 %/);
  await page.keyboard.press("2");
  await until(() => state(page).includes("view=flame"), "the keys choose views");
  await page.locator(".flame-stage").waitFor();
  assert.equal(await page.locator(".detail h2").textContent(), "rest");
  await page.reload();
  await until(() => page.locator(".detail h2").first().textContent().then((x) => x === "rest").catch(() => false), "the link reproduces it");
  await page.goBack();
});

test("compare: what only one of them has is in the picture, in the colour of its side", { skip }, async (t) => {
  const page = await on.open(t, `${path}#view=flame`);
  const box = await page.locator(".flame-stage canvas").first().boundingBox();
  const found = new Map();
  await until(async () => {
    for (let x = 10; x < box.width && found.size < 2; x += 25)
      for (const y of [90, 64]) {
        await page.mouse.move(box.x + x, box.y + y);
        const text = await page.locator(".tooltip").innerText().catch(() => "");
        const name = /^(new|old)\b/.exec(text)?.[1];
        if (name) found.set(name, { text, at: [x, y] });
      }
    return found.size === 2;
  }, "both have boxes", 60_000);
  assert.match(found.get("new").text, /new$/m);
  assert.match(found.get("old").text.replaceAll("\n", " "), /−300\s+gone/);
  await page.mouse.move(box.x + box.width - 4, box.y + box.height - 4);
  const [r1, , b1] = await colour(page, found.get("new").at[0] + 8, found.get("new").at[1] - 8);
  const [r2, , b2] = await colour(page, found.get("old").at[0] + 8, found.get("old").at[1] - 8);
  assert.ok(r1 > b1 + 60, `more is orange: ${r1} ${b1}`);
  assert.ok(b2 > r2 + 60, `less is blue: ${r2} ${b2}`);
});

test("compare: by shares the totals are equal; by call says why it cannot", { skip }, async (t) => {
  const page = await on.open(t, path);
  await page.getByRole("button", { name: "shares" }).click();
  await until(() => state(page).includes("normalise=total"), "in the address");
  await until(() => row(page, "same").innerText().then((x) => /−175|−35/.test(x)).catch(() => false), "the same work is a smaller share");
  await page.getByRole("button", { name: "per call" }).click();
  await page.getByText("only call graphs").waitFor();
  await page.getByRole("button", { name: "Compare them as they are" }).click();
  await row(page, "same").waitFor();
});

test("compare: the sunburst re-roots, and the middle tells the change", { skip }, async (t) => {
  const page = await on.open(t, `${path}#view=sunburst`);
  await until(() => page.locator(".sunburst-centre .share").textContent().then((x) => x === "+54.0 %").catch(() => false), "the whole grew");
  await page.locator(".sunburst-stage").focus();
  for (const key of ["ArrowDown", "ArrowDown", "Enter"]) await page.keyboard.press(key);
  await until(() => /root=\d+/.test(state(page)), "the keyboard re-roots");
  await until(() => page.locator(".crumbs li").last().textContent().then((x) => x === "work"), "the path ends there");
});

test("compare: search, names that are markup, and a profile chosen from the library", { skip }, async (t) => {
  const page = await on.open(t, `${path}#q=img`);
  page.on("dialog", () => page.problems.push("a name ran"));
  await row(page, NASTY).waitFor();
  assert.equal(await page.locator("img[src=x]").count(), 0);
  await page.getByRole("button", { name: "Change", exact: true }).last().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: /before/ }).click();
  await until(() => new URL(page.url()).pathname === `/d/${base}..${base}`, "the other side is replaced");
  await page.getByText("These are the same profile.").waitFor();
});

test("compare: what is missing is said, and one side alone asks for the other", { skip }, async (t) => {
  const page = await on.open(t, `/d/${base}..aaaaaaaaaaaaaaaa`);
  await page.getByText("There is no profile aaaaaaaaaaaaaaaa").waitFor();
  await page.goto(`${on.server.url}/d/${base}..`);
  await page.getByRole("button", { name: "Choose a profile" }).click();
  await page.getByRole("dialog").getByRole("button", { name: /after/ }).click();
  await until(() => new URL(page.url()).pathname === path, "both are chosen");
  await page.goto(on.server.url);
  const boxes = page.getByRole("checkbox");
  await boxes.first().check();
  await boxes.nth(1).check();
  await page.getByRole("button", { name: "Compare the two" }).click();
  await until(() => new URL(page.url()).pathname === path, "the earlier one is the base");
});

test("compare: nothing for axe to complain about, in both themes and by hand", { skip }, async (t) => {
  const axe = readFileSync(join(ROOT, "tests/browser/node_modules/axe-core/axe.min.js"), "utf8");
  for (const [view, theme, width] of [["table", "light", 1280], ["flame", "dark", 1280], ["sunburst", "light", 390]]) {
    const page = await on.open(t, `${path}#view=${view}`, { theme, width, height: 844, bypassCSP: true });
    await page.locator(view === "table" ? ".grid .rows .row" : `.${view}-stage`).first().waitFor();
    await page.addScriptTag({ content: axe });
    const { violations } = await page.evaluate(() => window.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }));
    assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(" ")}`), [], `${view} ${theme} ${width}`);
  }
});
