// The page's unit tests: pure functions, no DOM. tests/unit/page mirrors src.

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { ensurePackages, runTests } from "../tests/node_runner.mjs";

const here = dirname(fileURLToPath(import.meta.url));
ensurePackages(here);
const { build } = createRequire(import.meta.url)("esbuild");

const sources = join(here, "../tests/unit/page");
const files = readdirSync(sources).filter((name) => name.endsWith(".test.ts"));
const out = mkdtempSync(join(tmpdir(), "heliograph-page-tests-"));
await build({
  entryPoints: files.map((name) => join(sources, name)),
  outdir: out,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node18",
  sourcemap: "inline",
  logLevel: "warning",
});
const code = await runTests(files.map((name) => join(out, name.replace(/\.ts$/, ".mjs"))));
rmSync(out, { recursive: true, force: true });
process.exit(code);
