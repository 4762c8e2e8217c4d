// speedscope's own importer under node: the CPU time it takes for a file, and what it saw in it.
//
//   node speedscope.mjs MODULES FILE     prints {"seconds", "peak_mib", "profiles": [{"name", "unit", "weight", "samples"}]}
//
// The package holds one script for browsers and no module. It is evaluated with a document that does nothing, and the
// function that the page gives pasted text to is handed out; the page itself never gets to draw.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import vm from "node:vm";

const [modules, file] = process.argv.slice(2);
const release = join(modules, "node_modules/speedscope/dist/release");
const script = readdirSync(release).find((name) => /^speedscope-.*\.js$/.test(name));
const source = readFileSync(join(release, script), "utf8");
const importer = source.match(/await (\w+)\("From Clipboard",/)?.[1];
if (!importer) throw new Error(`${script} is not built as 1.25.0 is: its importer is not found`);

const nothing = () =>
  new Proxy(function () {}, {
    get: (_, key) => (key === Symbol.toPrimitive ? () => "" : key === "then" ? undefined : nothing()),
    apply: () => nothing(),
    construct: () => nothing(),
    set: () => true,
  });
Object.assign(globalThis, {
  window: globalThis,
  document: nothing(),
  location: { hash: "", protocol: "file:", href: "file:///", search: "" },
  localStorage: { getItem: () => null, setItem: () => {} },
  requestAnimationFrame: () => 0,
  addEventListener: () => {},
  matchMedia: () => ({ matches: false, addListener: () => {}, addEventListener: () => {} }),
});
const say = console.log;
console.log = () => {};
try {
  vm.runInThisContext(source.replace("(()=>{", `(()=>{globalThis.speedscopeImport=(...a)=>${importer}(...a);`), { filename: script });
} catch {
  // The page cannot be put up without a document; everything before it is there.
}

const text = readFileSync(file, "utf8");
const before = process.cpuUsage();
const group = await globalThis.speedscopeImport(file, text);
const used = process.cpuUsage(before);
if (!group) throw new Error("speedscope does not know this format");
const profiles = group.profiles.map((p) => ({ name: p.getName(), unit: p.getWeightUnit(), weight: p.getTotalWeight(), samples: p.samples?.length }));
say(JSON.stringify({ seconds: (used.user + used.system) / 1e6, peak_mib: process.resourceUsage().maxRSS / 1024, profiles }));
process.exit(0);
