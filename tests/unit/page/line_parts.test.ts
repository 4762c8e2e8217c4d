import assert from "node:assert/strict";
import { test } from "node:test";

import { partsOf, rangeTitle } from "../../../frontend/src/model/line_parts";

const range = (column: number, end_line: number, end_column: number) => ({ column, end_line, end_column, self: 1, total: 1 });

test("line parts: a range counts bytes, its title characters", () => {
  // In UTF-8 "é" and "ü" have two bytes each, "𝄞" four.
  const one = range(16, 7, 20);
  const parts = partsOf('é = "ü𝄞"; f(x)', 7, one);
  assert.deepEqual([parts.before, parts.part, parts.after], ['é = "ü𝄞"; ', "f(x)", ""]);
  assert.equal(rangeTitle(7, one, parts), "11-14");
});

test("line parts: a range that ends on a later line is cut at the end of its first", () => {
  const one = range(5, 9, 3);
  const parts = partsOf("x = f(", 7, one);
  assert.equal(parts.part, "f(");
  assert.equal(rangeTitle(7, one, parts), "5 to line 9");
});

test("line parts: a range past the end of the text shows nothing rather than something else", () => {
  const one = range(9, 7, 12);
  const parts = partsOf("ab", 7, one);
  assert.deepEqual([parts.before, parts.part, parts.after], ["ab", "", ""]);
  assert.equal(rangeTitle(7, one, null), "9-11");
});
