// The real program with an empty store, for tests that put files into it. HELIOGRAPH names it.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";

import { launch, openPage } from "./browser.mjs";
import { until } from "./mocked.mjs";

const program = process.env.HELIOGRAPH ?? "";
export const skip = existsSync(program) ? false : "HELIOGRAPH does not name the program";

/** Starts it; `stop` ends it and takes its store away. */
export async function serve(executable = program, more = []) {
  const folder = mkdtempSync(join(tmpdir(), "heliograph-served-"));
  const child = spawn(executable, ["serve", "--listen", "127.0.0.1:0", "--store", join(folder, "store.db"), ...more], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += chunk));
  const url = await until(() => /http:\/\/[\d.]+:\d+/.exec(said)?.[0], "the server prints its address", 60_000);
  return {
    url,
    pid: child.pid,
    async upload(name, bytes) {
      const response = await fetch(`${url}/api/v1/profiles?name=${encodeURIComponent(name)}`, {
        method: "POST",
        headers: { "Content-Type": "application/octet-stream", Origin: url },
        body: bytes,
      });
      const answer = await response.json();
      if (response.status !== 201) throw new Error(`${name}: ${JSON.stringify(answer)}`);
      return answer.id;
    },
    json: async (path) => (await fetch(url + path)).json(),
    async stop() {
      if (child.exitCode === null) {
        const gone = new Promise((done) => child.once("exit", done));
        child.kill("SIGINT");
        await gone;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** One server and one browser for all tests of a file; `fill` puts something into the server. */
export function served(fill = async () => undefined) {
  const it = { server: null, browser: null };
  before(async () => {
    if (skip) return;
    it.server = await serve();
    await fill(it.server);
    it.browser = await launch();
  });
  after(async () => {
    await it.browser?.close();
    await it.server?.stop();
  });
  it.open = async (t, path, options) => {
    const page = await openPage(it.browser, it.server.url + path, options);
    t.after(async () => {
      const { problems } = page;
      await page.context().close();
      if (problems.length) throw new Error(`the page complained: ${problems.join("; ")}`);
    });
    return page;
  };
  return it;
}
