// Runs files of node:test and ends with the plain line that tests/run_all.py counts.

import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { run } from "node:test";

/** npm ci in `folder`, unless what the lock file says is already there. */
export function ensurePackages(folder) {
  const lock = join(folder, "package-lock.json");
  const installed = join(folder, "node_modules/.package-lock.json");
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  console.log(`installing the packages of ${folder} (npm ci)`);
  const done = spawnSync("npm", ["ci", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: folder,
    stdio: "inherit",
  });
  if (done.status !== 0) {
    console.error("npm could not install them: the first time it needs the network or a filled cache");
    process.exit(1);
  }
}

/** Resolves to the exit code. */
export async function runTests(files, { timeout = 60_000 } = {}) {
  const count = { passed: 0, failed: 0, skipped: 0 };
  const isFile = (data) => data.details?.type === "suite" || files.includes(data.name);
  const stream = run({ files, concurrency: 1, timeout: timeout * 20 });
  stream.on("test:pass", (data) => {
    if (isFile(data)) return;
    if (data.skip !== undefined) {
      count.skipped++;
      console.log(`SKIP ${data.name}: ${data.skip}`);
    } else {
      count.passed++;
      console.log(`ok   ${data.name} (${Math.round(data.details.duration_ms)} ms)`);
    }
  });
  stream.on("test:fail", (data) => {
    const cause = data.details?.error?.cause ?? data.details?.error;
    if (isFile(data) && /subtests? failed/.test(data.details?.error?.message ?? "")) return;
    count.failed++;
    console.log(`FAIL ${data.name}\n${String(cause?.stack ?? cause?.message ?? cause).replace(/^/gm, "     ")}`);
  });
  stream.on("test:stderr", (data) => process.stdout.write(data.message));
  for await (const event of stream) void event;
  console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
  return count.failed > 0 || count.passed === 0 ? 1 : 0;
}
