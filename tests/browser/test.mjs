// The browser tests. Against the mock always, against the program when HELIOGRAPH names it.

import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { ensurePackages, runTests } from "../node_runner.mjs";
import { findBrowser } from "./support/browser.mjs";

const here = dirname(fileURLToPath(import.meta.url));
if (!findBrowser()) {
  console.log("SKIP browser tests: no Chromium (apt-get install chromium, or set CHROMIUM)");
  console.log("0 passed, 0 failed, 1 skipped");
  process.exit(0);
}
ensurePackages(join(here, "../../frontend"));
ensurePackages(here);
const only = process.argv[2] ?? "";
const files = readdirSync(here)
  .filter((name) => name.endsWith(".test.mjs") && name.includes(only))
  .map((name) => join(here, name));
process.exit(await runTests(files, { timeout: 120_000 }));
