// Every view against the coarse picture of it in looks.json. After a change that is meant and was
// looked at:   HELIOGRAPH_LOOKS=write node tests/browser/test.mjs looks

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";

import { ROOT } from "./support/browser.mjs";
import { baseline, BASELINE, difference, look, SHARE_TOLERANCE, SIZES } from "./support/looks.mjs";
import { mocked, until } from "./support/mocked.mjs";

const on = mocked();
const isWriting = process.env.HELIOGRAPH_LOOKS === "write";
const RESULTS = join(ROOT, "tests/browser/results");
/** What is looked at: profiles of the mock that do not change. */
const PAGES = {
  sunburst: "/p/run24",
  flame: "/p/run24#view=flame",
  time: "/p/run24#view=flame&order=time",
  table: "/p/run24#view=table",
  callers: "/p/run24#view=callers&sel=109",
  memory: "/p/heap24#view=memory",
  threads: "/p/run24#view=threads",
  graph: "/p/pstats1",
};
const written = {};
const known = isWriting ? {} : baseline();

async function readerOf(t) {
  const page = await (await on.browser.newContext()).newPage();
  t.after(() => page.context().close());
  return page;
}

/** The look once it stays: what is still being drawn is not compared. */
async function settled(page, reader, size) {
  let last = "";
  return until(async () => {
    const now = await look(page, reader, size);
    const isSame = now.join() === last;
    last = now.join();
    return isSame ? now : null;
  }, "the picture stays");
}

async function check(page, reader, name, size) {
  if (isWriting) {
    written[name] = await settled(page, reader, size);
    return;
  }
  let share = 1;
  await until(async () => (share = difference(known[name], await look(page, reader, size))) <= SHARE_TOLERANCE, name, 20_000).catch(async () => {
    mkdirSync(RESULTS, { recursive: true });
    await page.screenshot({ path: join(RESULTS, `${name}.png`) });
    assert.fail(`${name}: ${(share * 100).toFixed(1)} % of it is not as it was; see tests/browser/results/${name}.png`);
  });
}

/** The panel stays and everything in it goes: what a view that draws nothing looks like. */
const empty = (page) =>
  page.evaluate(() => {
    for (const child of document.getElementById("view").children) child.style.visibility = "hidden";
  });

for (const [kind, size] of Object.entries(SIZES))
  for (const [view, path] of Object.entries(PAGES))
    test(`looks: ${view}, ${kind}, light and dark, and not when it is blank`, async (t) => {
      const reader = await readerOf(t);
      const page = await on.open(t, path, size);
      await page.locator("#view").waitFor();
      for (const theme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme: theme });
        await check(page, reader, `${view}-${kind}-${theme}`, size);
      }
      if (isWriting) return;
      await empty(page);
      await until(async () => difference(known[`${view}-${kind}-dark`], await look(page, reader, size)) > 2 * SHARE_TOLERANCE, "a blank view is told");
    });

test("looks: no picture passes for another", { skip: isWriting && "they are being written" }, () => {
  const pictures = ["sunburst", "flame", "time", "memory", "threads", "graph"];
  for (const kind of Object.keys(SIZES))
    for (const theme of ["light", "dark"])
      for (const one of pictures)
        for (const other of pictures) {
          const share = difference(known[`${one}-${kind}-${theme}`], known[`${other}-${kind}-${theme}`]);
          assert.ok(one === other || share > SHARE_TOLERANCE, `${one} and ${other}, ${kind}, ${theme}: ${share}`);
        }
  assert.ok(difference(known["flame-desk-light"], known["flame-desk-dark"]) > SHARE_TOLERANCE, "nor light for dark");
});

after(() => {
  if (isWriting) writeFileSync(BASELINE, `${JSON.stringify(written, null, 1)}\n`);
});
