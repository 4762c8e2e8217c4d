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

/**
 * What the matches cover together. Rows are swept from the root; `spans` holds what is covered so
 * far in order, so a match below another match adds nothing.
 */
export function coverage(rows: readonly FlameRow[], hits: Uint8Array): Coverage {
  let begins: number[] = [];
  let ends: number[] = [];
  let covered = 0;
  let boxes = 0;
  const seen = new Uint8Array(hits.length);
  for (const row of rows) {
    const fresh: number[] = [];
    let at = 0;
    const { x0, x1, fn } = row;
    for (let i = 0; i < fn.length; i++) {
      const f = fn[i] as number;
      if (hits[f] !== 1) continue;
      boxes++;
      seen[f] = 1;
      const begin = x0[i] as number;
      while (at < ends.length && (ends[at] as number) <= begin) at++;
      if (at < begins.length && (begins[at] as number) <= begin) continue;
      covered += (x1[i] as number) - begin;
      fresh.push(i);
    }
    if (!fresh.length) continue;
    // Merge two ordered lists; a fresh box never overlaps an older span.
    const mergedBegins: number[] = [];
    const mergedEnds: number[] = [];
    let old = 0;
    for (const i of fresh) {
      const begin = x0[i] as number;
      while (old < begins.length && (begins[old] as number) < begin) {
        mergedBegins.push(begins[old] as number);
        mergedEnds.push(ends[old] as number);
        old++;
      }
      mergedBegins.push(begin);
      mergedEnds.push(x1[i] as number);
    }
    for (; old < begins.length; old++) {
      mergedBegins.push(begins[old] as number);
      mergedEnds.push(ends[old] as number);
    }
    begins = mergedBegins;
    ends = mergedEnds;
  }
  let functions = 0;
  for (const s of seen) functions += s;
  return { covered, boxes, functions };
}
