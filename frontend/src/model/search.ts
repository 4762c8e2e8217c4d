import type { Flame, FlameRow } from "../api/types";

export interface Query {
  /** What the person typed. */
  text: string;
  /** null = matches nothing in particular: no search. */
  matches: ((name: string, place: string) => boolean) | null;
  /** Why the text is not a regular expression; it is then taken literally. */
  problem: string;
}

const NO_QUERY: Query = { text: "", matches: null, problem: "" };

/**
 * The text is a regular expression, case-insensitive unless it has a capital letter; one that does
 * not compile is searched for as it stands.
 */
export function compileQuery(text: string): Query {
  if (!text) return NO_QUERY;
  const flags = /[A-Z]/.test(text) ? "" : "i";
  try {
    const pattern = new RegExp(text, flags);
    return {
      text,
      matches: (name, place) => pattern.test(name) || pattern.test(place),
      problem: "",
    };
  } catch (cause) {
    const fold = (s: string) => (flags ? s.toLowerCase() : s);
    const plain = fold(text);
    return {
      text,
      matches: (name, place) => fold(name).includes(plain) || fold(place).includes(plain),
      problem: cause instanceof Error ? cause.message : "not a regular expression",
    };
  }
}

/** For each position in head.functions: 1 when it matches. null without a search. */
export function matchFunctions(flame: Flame, query: Query): Uint8Array | null {
  if (!query.matches) return null;
  const { name, file, line } = flame.head.functions;
  const hits = new Uint8Array(name.length);
  for (let i = 0; i < name.length; i++) {
    const place = `${flame.head.files[file[i] ?? 0] ?? ""}:${line[i] ?? 0}`;
    hits[i] = query.matches(name[i] ?? "", place) ? 1 : 0;
  }
  return hits;
}

export interface Coverage {
  /** Width under at least one matching box. */
  covered: number;
  /** Matching boxes, nested ones too. */
  boxes: number;
  /** Matching functions that have a box. */
  functions: number;
}

/** What is covered, in order; spans that touch are one. */
interface Spans {
  length: number;
  begins: Uint32Array;
  ends: Uint32Array;
}

const noSpans = (): Spans => ({ length: 0, begins: new Uint32Array(1024), ends: new Uint32Array(1024) });

function grown(column: Uint32Array): Uint32Array {
  const more = new Uint32Array(column.length * 2);
  more.set(column);
  return more;
}

function putSpan(spans: Spans, begin: number, end: number): void {
  const { length } = spans;
  if (length > 0 && spans.ends[length - 1] === begin) {
    spans.ends[length - 1] = end;
    return;
  }
  if (length === spans.begins.length) {
    spans.begins = grown(spans.begins);
    spans.ends = grown(spans.ends);
  }
  spans.begins[length] = begin;
  spans.ends[length] = end;
  spans.length++;
}

/** Adds a row to the matches; `next` becomes `spans` and what the row's own matches cover. */
function coverRow(row: FlameRow, hits: Uint8Array, seen: Uint8Array, found: Coverage, spans: Spans, next: Spans): void {
  const { x0, x1, fn } = row;
  next.length = 0;
  let at = 0;
  for (let i = 0; i < fn.length; i++) {
    const f = fn[i] as number;
    if (hits[f] !== 1) continue;
    found.boxes++;
    seen[f] = 1;
    const begin = x0[i] as number;
    for (; at < spans.length && (spans.ends[at] as number) <= begin; at++) putSpan(next, spans.begins[at] as number, spans.ends[at] as number);
    if (at < spans.length && (spans.begins[at] as number) <= begin) continue;
    const end = x1[i] as number;
    found.covered += end - begin;
    putSpan(next, begin, end);
  }
  for (; at < spans.length; at++) putSpan(next, spans.begins[at] as number, spans.ends[at] as number);
}

/**
 * What the matches cover together. Rows are swept from the root, so a match below another match adds
 * nothing. One call a row: the second runs as compiled code, and a picture may have millions of boxes.
 */
export function coverage(rows: readonly FlameRow[], hits: Uint8Array): Coverage {
  const found = { covered: 0, boxes: 0, functions: 0 };
  const seen = new Uint8Array(hits.length);
  let spans = noSpans();
  let next = noSpans();
  for (const row of rows) {
    coverRow(row, hits, seen, found, spans, next);
    [spans, next] = [next, spans];
  }
  for (const s of seen) found.functions += s;
  return found;
}
