import type { LineRange } from "../api/types";

/** A line cut into what stands before an expression, the expression, and what follows. */
export interface LineParts {
  before: string;
  part: string;
  after: string;
  /** Of the expression's first and last character, from 1. */
  from: number;
  to: number;
}

/** Ranges count bytes of UTF-8, people characters. One that ends on a later line is cut at the end of this one. */
export function partsOf(text: string, line: number, range: LineRange): LineParts {
  const bytes = new TextEncoder().encode(text);
  const decode = (from: number, to: number): string => new TextDecoder().decode(bytes.subarray(from, to));
  const begin = Math.min(range.column - 1, bytes.length);
  const end = range.end_line === line ? Math.max(begin, Math.min(range.end_column - 1, bytes.length)) : bytes.length;
  const before = decode(0, begin);
  const part = decode(begin, end);
  const from = [...before].length + 1;
  return { before, part, after: decode(end, bytes.length), from, to: from + Math.max([...part].length - 1, 0) };
}

/** "9-21", or "9 to line 14" of one that ends further down. */
export function rangeTitle(line: number, range: LineRange, parts: LineParts | null): string {
  const from = parts?.from ?? range.column;
  return range.end_line === line ? `${from}-${parts?.to ?? range.end_column - 1}` : `${from} to line ${range.end_line}`;
}
