// Bundles the page and, when asked, writes it as C for the program to carry (backend/assets/assets.h).
//
//   node build.mjs --out DIR [--modules DIR] [--c FILE] [--wasm FILE] [--dev]
//
// --modules: the folder whose node_modules has esbuild; this folder when not said.
// --wasm: what answers the page's questions where there is no server; makes the saved page.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";

import { writeAssets } from "./embed.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const { values: options } = parseArgs({
  options: {
    out: { type: "string" },
    modules: { type: "string", default: here },
    c: { type: "string" },
    wasm: { type: "string" },
    dev: { type: "boolean", default: false },
  },
});
if (!options.out) {
  console.error("usage: node build.mjs --out DIR [--modules DIR] [--c FILE] [--wasm FILE] [--dev]");
  process.exit(2);
}

const LIMIT_GZIP_BYTES = 100_000;
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
};

const { build } = createRequire(join(resolve(options.modules), "package.json"))("esbuild");
const common = {
  entryNames: "[name]",
  outdir: "/",
  bundle: true,
  write: false,
  minify: !options.dev,
  sourcemap: options.dev ? "inline" : false,
  target: ["es2022", "chrome111", "firefox113", "safari16.4"],
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
};
const bundle = await build({ ...common, entryPoints: [join(here, "src/main.ts"), join(here, "src/styles/app.css")], format: "esm" });
const early = await build({ ...common, entryPoints: [join(here, "src/early.ts")], format: "iife" });

const sources = new Map(); // name -> bytes
for (const file of bundle.outputFiles)
  sources.set(file.path.endsWith(".css") ? "app.css" : "app.js", Buffer.from(file.contents));
sources.set("early.js", Buffer.from(early.outputFiles[0].contents));

const staticFolder = join(here, "../static");
let page = readFileSync(join(staticFolder, "index.html"), "utf8");
for (const name of readdirSync(staticFolder))
  if (name !== "index.html" && TYPES[extname(name)])
    sources.set(name, readFileSync(join(staticFolder, name)));

// Everything but the page carries its hash in its name and never changes under it.
const hashOf = (bytes) => createHash("sha256").update(bytes).digest("hex");
const assets = [];
for (const [name, bytes] of sources) {
  const dot = name.lastIndexOf(".");
  const path = `/assets/${name.slice(0, dot)}-${hashOf(bytes).slice(0, 10)}${name.slice(dot)}`;
  page = page.replaceAll(`@asset(${name})`, path);
  assets.push(asset(path, bytes, true));
}
const missing = /@asset\(([^)]*)\)/.exec(page);
if (missing) throw new Error(`index.html asks for ${missing[1]}, which is not there`);
if (!options.dev) page = page.replace(/>\s+</g, "><");
assets.push(asset("/index.html", Buffer.from(page), false));

function asset(path, bytes, isImmutable) {
  const gzip = gzipSync(bytes, { level: 9 });
  // The time in a gzip header would make two builds differ; node writes none.
  return {
    path,
    type: TYPES[extname(path)],
    bytes,
    gzip: gzip.length < bytes.length ? gzip : null,
    etag: hashOf(bytes).slice(0, 20),
    isImmutable,
  };
}

rmSync(options.out, { recursive: true, force: true });
for (const { path, bytes } of assets) {
  const file = join(options.out, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, bytes);
}
const saved = options.wasm ? [savedPage(readFileSync(options.wasm))] : [];
if (options.c) {
  mkdirSync(dirname(options.c), { recursive: true });
  writeFileSync(options.c, writeAssets([...assets, ...saved]));
}

/**
 * The page as one file with a place for a profile (backend/formats/html.c fills it). Its policy
 * lets this very script and style run and nothing be asked of anybody.
 */
function savedPage(wasm) {
  const script = String(sources.get("app.js"));
  const style = String(sources.get("app.css"));
  if (/<\/script/i.test(script) || /<\/style/i.test(style)) throw new Error("an end tag inside the page's own code");
  const pin = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  const policy = `default-src 'none'; script-src ${pin(script)} 'wasm-unsafe-eval'; style-src ${pin(style)}; img-src data: blob:; base-uri 'none'; form-action 'none'`;
  const base64 = (bytes) => Buffer.from(bytes).toString("base64");
  const text = [
    '<!doctype html><html lang="en" data-heliograph="saved">',
    '<head><meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">',
    "<title>Heliograph</title>",
    `<link rel="icon" href="data:image/svg+xml;base64,${base64(sources.get("icon.svg"))}">`,
    `<style>${style}</style>`,
    // It runs when all is parsed; standing first, it can say so when the file was cut.
    `<script type="module">${script}</script>`,
    // In the head: the page fills the body before it looks for them.
    `<script type="application/gzip" id="heliograph-code">${base64(gzipSync(wasm, { level: 9 }))}</script>`,
    '<script type="application/gzip" id="heliograph-data">@data@</script></head><body>',
    "<noscript>This page draws a profile and needs JavaScript for it. Without: heliograph report FILE</noscript></body></html>\n",
  ].join("\n");
  return { path: "saved page", type: TYPES[".html"], bytes: Buffer.from(text), gzip: null, etag: "", isImmutable: false };
}

const sum = (pick) => assets.reduce((total, a) => total + pick(a), 0);
const gzipped = sum((a) => (a.gzip ?? a.bytes).length);
console.log(
  `page: ${(sum((a) => a.bytes.length) / 1000).toFixed(1)} kB, ${(gzipped / 1000).toFixed(1)} kB gzipped` +
    ` (at most ${LIMIT_GZIP_BYTES / 1000})`,
);
if (gzipped > LIMIT_GZIP_BYTES && !options.dev) {
  console.error("page: larger than it may be; see docs/architecture.md");
  process.exit(1);
}
