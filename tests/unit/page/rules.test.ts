import assert from "node:assert/strict";
import { test } from "node:test";
import { ruleOf, ruleWords, type RuleForm } from "../../../frontend/src/model/rules";

const form: RuleForm = { kind: "rss", name: "", amount: "1,5", window: "", program: " shop ", function: "work", webhook: "", secret: "" };

test("amounts are read in the unit of the kind", () => {
  const rss = ruleOf(form);
  assert.ok(typeof rss !== "string");
  assert.deepEqual([rss.bound, rss.name, rss.program, rss.function], [1.5 * 2 ** 20, "Memory", "shop", ""]);
  const share = ruleOf({ ...form, kind: "share", amount: "20", window: "30" });
  assert.ok(typeof share !== "string");
  assert.deepEqual([share.bound, share.function, share.window_s], [0.2, "work", 30]);
});

test("what is no rule is said in words", () => {
  for (const change of [{ amount: "" }, { amount: "many" }, { amount: "0" }, { amount: "-3" }, { kind: "share" as const, amount: "100" }, { secret: "x" }, { kind: "growth" as const, window: "0" }])
    assert.equal(typeof ruleOf({ ...form, ...change }), "string", JSON.stringify(change));
});

test("a rule reads as a sentence", () => {
  assert.equal(ruleWords({ kind: "rss", bound: 2 ** 30, window_s: 0, function: "" }), "resident memory above 1.00 GiB");
  assert.match(ruleWords({ kind: "share", bound: 0.2, window_s: 60, function: "" }), /^any function by itself takes 20 points more of the time than before, in 60 s$/);
});
