import assert from "node:assert/strict";
import { test } from "node:test";

import { BadFlame, decodeFlame } from "../../../frontend/src/api/flame";

function encode(head: object, words: number[], cut = 0): ArrayBuffer {
  let text = JSON.stringify(head);
  while ((8 + text.length) % 8) text += " ";
  const bytes = new Uint8Array(8 + text.length + words.length * 4 - cut);
  bytes.set(new TextEncoder().encode("HGF1"));
  new DataView(bytes.buffer).setUint32(4, text.length, true);
  bytes.set(new TextEncoder().encode(text), 8);
  const columns = new Uint8Array(Uint32Array.from(words).buffer);
  bytes.set(columns.subarray(0, columns.length - cut), 8 + text.length);
  return bytes.buffer;
}

test("HGF1: rows are views of the answer", () => {
  const buffer = encode({ rows: [1, 2], flags: false }, [0, 9, 0, 0, 4, 4, 9, 1, 2]);
  const flame = decodeFlame(buffer);
  assert.deepEqual([...flame.rows[1]!.x0], [0, 4]);
  assert.deepEqual([...flame.rows[1]!.x1], [4, 9]);
  assert.deepEqual([...flame.rows[1]!.fn], [1, 2]);
  assert.equal(flame.rows[1]!.flags, null);
  assert.equal(flame.rows[1]!.x0.buffer, buffer);
});

test("HGF1: flags are a fourth column when the head says so", () => {
  const flame = decodeFlame(encode({ rows: [1, 1], flags: true }, [0, 9, 0, 0, 0, 5, 1, 1]));
  assert.deepEqual([...flame.rows[1]!.flags!], [1]);
});

test("HGF1: an empty profile has a root and nothing else", () => {
  assert.equal(decodeFlame(encode({ rows: [1], flags: false }, [0, 0, 0])).rows.length, 1);
});

test("HGF1: what is cut short or not HGF1 is refused", () => {
  assert.throws(() => decodeFlame(new ArrayBuffer(0)), BadFlame);
  assert.throws(() => decodeFlame(new TextEncoder().encode("{\"error\":{}}").buffer as ArrayBuffer), BadFlame);
  assert.throws(() => decodeFlame(encode({ rows: [1, 2], flags: false }, [0, 9, 0, 0, 4, 4, 9, 1, 2], 4)), /row 1/);
  assert.throws(() => decodeFlame(encode({ rows: [1, 4_000_000_000], flags: false }, [0, 9, 0])), BadFlame);
  assert.throws(() => decodeFlame(encode({ rows: [-1], flags: false }, [0, 9, 0])), BadFlame);
  const lies = encode({ rows: [1], flags: false }, [0, 9, 0]);
  new DataView(lies).setUint32(4, 4_000_000, true);
  assert.throws(() => decodeFlame(lies), BadFlame);
});
