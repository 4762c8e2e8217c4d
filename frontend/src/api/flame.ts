import type { Flame, FlameHead, FlameRow } from "./types";

export class BadFlame extends Error {}

const HGF1 = 0x31464748;
const HGD1 = 0x31444748;

/**
 * Decodes the HGF1 answer, or HGD1, which has a column more. The columns are views of the buffer, nothing is copied; what the head
 * promises and the buffer does not hold is refused rather than drawn.
 */
export function decodeFlame(buffer: ArrayBuffer): Flame {
  const view = new DataView(buffer);
  const magic = buffer.byteLength < 8 ? 0 : view.getUint32(0, true);
  const isDiff = magic === HGD1;
  if (magic !== HGF1 && !isDiff)
    throw new BadFlame("the answer is not a flame graph");
  const headLength = view.getUint32(4, true);
  if (headLength > buffer.byteLength - 8 || headLength % 4 !== 0)
    throw new BadFlame("the flame graph's head is cut short");

  const text = new TextDecoder().decode(new Uint8Array(buffer, 8, headLength));
  const head = JSON.parse(text) as FlameHead;
  const columns = 3 + Number(isDiff) + Number(head.flags);
  const rows: FlameRow[] = [];
  let at = 8 + headLength;
  for (const count of head.rows) {
    if (!Number.isInteger(count) || count < 0 || at + count * 4 * columns > buffer.byteLength)
      throw new BadFlame(`row ${rows.length} of the flame graph is cut short`);
    const column = (index: number) => new Uint32Array(buffer, at + index * count * 4, count);
    const row: FlameRow = { x0: column(0), x1: column(1), fn: column(2), flags: head.flags ? column(columns - 1) : null };
    if (isDiff) row.base = column(3);
    rows.push(row);
    at += count * 4 * columns;
  }
  return { head, rows };
}
