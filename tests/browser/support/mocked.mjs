// One browser, one mock, one bundle for all tests of a file.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";

import { startMock } from "../mock/server.mjs";
import { buildPage, launch, openPage } from "./browser.mjs";

export function mocked() {
  const it = { browser: null, mock: null, dist: "" };
  before(async () => {
    it.dist = mkdtempSync(join(tmpdir(), "heliograph-page-"));
    buildPage(it.dist);
    it.mock = await startMock({ dist: it.dist });
    it.browser = await launch();
  });
  after(async () => {
    await it.browser?.close();
    await it.mock?.close();
    rmSync(it.dist, { recursive: true, force: true });
  });
  /** Opens a path; the page closes by itself and must not have complained. */
  it.open = async (t, path, options) => {
    const page = await openPage(it.browser, it.mock.url + path, options);
    t.after(async () => {
      const { problems } = page;
      await page.context().close();
      if (problems.length) throw new Error(`the page complained: ${problems.join("; ")}`);
    });
    return page;
  };
  it.id = async (profile, name) => {
    const table = await (await fetch(`${it.mock.url}/api/v1/profiles/${profile}/table`)).json();
    return table.columns.id[table.columns.name.indexOf(name)];
  };
  it.table = async (profile, query = "") => {
    const { columns, total } = await (await fetch(`${it.mock.url}/api/v1/profiles/${profile}/table?${query}`)).json();
    const rows = new Map(columns.name.map((name, i) => [name, { id: columns.id[i], self: columns.self?.[i], total: columns.total?.[i] }]));
    return { rows, total };
  };
  return it;
}

/** Waits until `check` gives something true, and gives it back. */
export async function until(check, what, timeoutMs = 30_000) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error(`never happened: ${what}`);
    await new Promise((done) => setTimeout(done, 40));
  }
}

export const state = (page) => new URL(page.url()).hash;
