import assert from "node:assert/strict";
import { test } from "node:test";

import {
  ellipsize,
  formatAmount,
  formatBytes,
  formatClock,
  formatCount,
  formatPercent,
  formatPlace,
  formatSeconds,
} from "../../../frontend/src/model/format";
import { packageOf, PackageColours, SLOT_OTHER } from "../../../frontend/src/model/palette";
import { safeName } from "../../../frontend/src/canvas/text";

test("format: bytes count in twos and keep three digits", () => {
  assert.equal(formatBytes(0), "0 B");
  assert.equal(formatBytes(1023), "1023 B");
  assert.equal(formatBytes(1536), "1.50 KiB");
  assert.equal(formatBytes(323387776), "308 MiB");
  assert.equal(formatBytes(-1048576), "−1.00 MiB");
  assert.equal(formatBytes(1023.9 * 1024), "1.00 MiB");
});

test("format: seconds choose their unit", () => {
  assert.equal(formatSeconds(0), "0 s");
  assert.equal(formatSeconds(3e-9), "3.00 ns");
  assert.equal(formatSeconds(0.0000451), "45.1 µs");
  assert.equal(formatSeconds(0.25), "250 ms");
  assert.equal(formatSeconds(12.345), "12.3 s");
  assert.equal(formatSeconds(754), "12:34");
  assert.equal(formatClock(90061), "1 d 01:01");
  assert.equal(formatClock(3723), "1:02:03");
});

test("format: counts, shares, places", () => {
  assert.equal(formatCount(1234567), "1\u202f234\u202f567");
  assert.equal(formatPercent(1), "100 %");
  assert.equal(formatPercent(0.123), "12.3 %");
  assert.equal(formatPercent(0.0123), "1.23 %");
  assert.equal(formatPercent(0.00001), "<0.01 %");
  assert.equal(formatPercent(Number.NaN), "–");
  assert.equal(formatPlace("/a/b/c.py", 12), "c.py:12");
  assert.equal(formatPlace("/a/json/__init__.py", 3), "json/__init__.py:3");
  assert.equal(formatPlace("~", 0), "built-in");
  assert.equal(formatAmount(1.5e9, "ns"), "1.50 s");
  assert.equal(formatAmount(2048, "bytes"), "2.00 KiB");
  assert.equal(formatAmount(7, "count"), "7");
});

test("format: an ellipsis keeps both ends", () => {
  assert.equal(ellipsize("abcdefghij", 20), "abcdefghij");
  assert.equal(ellipsize("abcdefghij", 5), "ab…ij");
  assert.equal(ellipsize("abcdefghij", 1), "…");
  assert.equal(ellipsize("abcdefghij", 0), "");
});

test("format: signs that turn or hide text are spelled out", () => {
  assert.equal(safeName("a\u202eb"), "a\\u202eb");
  assert.equal(safeName("a\u0000b\u001b[31m"), "a\\u0000b\\u001b[31m");
  assert.equal(safeName("plain ünïcode 数字"), "plain ünïcode 数字");
});

test("palette: a package is what a person would call it", () => {
  const of = (file: string, module = "", kind = 0) => packageOf({ file, module, kind });
  assert.equal(of("/x/lib/python3.12/json/decoder.py"), "json");
  assert.equal(of("/x/lib/python3.12/threading.py"), "threading");
  assert.equal(of("/x/lib/python3.12/site-packages/jinja2/environment.py"), "jinja2");
  assert.equal(of("/srv/app/views.py"), "views");
  assert.equal(of("whatever", "shop.http"), "shop");
  assert.equal(of("~"), "builtins");
  assert.equal(of("<frozen importlib._bootstrap>"), "importlib");
  assert.equal(of("<frozen runpy>"), "runpy");
});

test("palette: a package keeps its colour while others grow past it", () => {
  const colours = new PackageColours();
  colours.assign(new Map([["a", 10], ["b", 5]]));
  const before = colours.slotOf("a");
  colours.assign(new Map([["a", 10], ["b", 500], ["c", 400]]));
  assert.equal(colours.slotOf("a"), before);
  assert.notEqual(colours.slotOf("c"), colours.slotOf("b"));
  assert.equal(colours.slotOf("unknown"), SLOT_OTHER);
});

test("palette: the person's own program comes first", () => {
  const colours = new PackageColours();
  colours.assign(new Map([["threading", 900], ["__main__", 100]]));
  assert.equal(colours.slotOf("__main__"), 0);
});
