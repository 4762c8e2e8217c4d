/**
 * What the page shows, as its address says it (docs/api.md, last section). Fields that have their
 * usual value are left out, so that a link is as short as what it says.
 */

export const VIEWS = [
  "sunburst",
  "flame",
  "table",
  "callers",
  "lines",
  "memory",
  "threads",
] as const;
export type ViewName = (typeof VIEWS)[number];

export type ThemeChoice = "system" | "light" | "dark";

/** What a place is ranked by in the memory view; "" = what fits the question. */
export const MEASURES = ["in_use", "leaked", "allocated", "freed", "peak", "temporary", "short", "grown"] as const;
export type Measure = (typeof MEASURES)[number] | "";

export interface ViewState {
  view: ViewName;
  value: string;
  /** Function ids from below the root to the chosen box. */
  root: number[];
  q: string;
  from: number | null;
  to: number | null;
  sort: string;
  threads: number[];
  processes: number[];
  states: string[];
  invert: boolean;
  isFlipped: boolean; // flames grow upwards
  sel: number | null;
  focus: number | null;
  hide: number[];
  /** Functions whose whole modules, or packages, are hidden. */
  hideModules: number[];
  hidePackages: number[];
  order: "merged" | "time";
  group: "" | "module" | "package" | "file";
  collapse: boolean;
  /** What of the time order is in sight; null = all of the window. */
  sight: [number, number] | null;
  colour: "package" | "kind" | "self";
  /** How two profiles are made comparable. */
  normalise: "none" | "total" | "ncalls";
  rings: number; // 0 = as many as fit
  /** The smallest arc of the sunburst, as a share of its middle. */
  cutoff: number;
  /** A moment of the memory's plot: what was alive then. */
  at: number | null;
  /** The moment it is compared with. */
  base: number | null;
  domains: string[];
  measure: Measure;
  by: "line" | "function" | "stack";
  theme: ThemeChoice | null; // null = the person's own
}

export const USUAL: ViewState = {
  view: "sunburst",
  value: "",
  root: [],
  q: "",
  from: null,
  to: null,
  sort: "",
  threads: [],
  processes: [],
  states: [],
  invert: false,
  isFlipped: false,
  sel: null,
  focus: null,
  hide: [],
  hideModules: [],
  hidePackages: [],
  order: "merged",
  group: "",
  collapse: false,
  sight: null,
  colour: "package",
  normalise: "none",
  rings: 0,
  cutoff: 0,
  at: null,
  base: null,
  domains: [],
  measure: "",
  by: "line",
  theme: null,
};

const ids = (text: string | null, separator: string): number[] =>
  text
    ? text
        .split(separator)
        .map(Number)
        .filter((n) => Number.isSafeInteger(n) && n >= 0)
        .slice(0, 65536)
    : [];

function seconds(text: string | null): number | null {
  if (text === null || text === "") return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}

function moment(text: string | null): number | null {
  const at = seconds(text);
  return at !== null && at >= 0 ? at : null;
}

function oneOf<T extends string>(text: string | null, words: readonly T[], usual: T): T {
  return words.find((w) => w === text) ?? usual;
}

function span(text: string | null): [number, number] | null {
  const [from, to] = (text ?? "").split("-").map(Number);
  if (from === undefined || to === undefined || !Number.isFinite(from) || !Number.isFinite(to)) return null;
  return from >= 0 && to > from ? [from, to] : null;
}

/** Anything that makes no sense in a link counts as not said. */
export function parseState(hash: string): ViewState {
  const query = new URLSearchParams(hash.replace(/^#/, ""));
  const one = ids(query.get("sel"), ",")[0];
  const focus = ids(query.get("focus"), ",")[0];
  const rings = Number(query.get("rings") ?? 0);
  const cutoff = Number(query.get("cutoff") ?? 0);
  let from = seconds(query.get("from"));
  let to = seconds(query.get("to"));
  if (from !== null && to !== null && to <= from) from = to = null;
  const theme = query.get("theme");
  return {
    view: oneOf(query.get("view"), VIEWS, USUAL.view),
    value: query.get("value") ?? "",
    root: ids(query.get("root"), "."),
    q: query.get("q") ?? "",
    from,
    to,
    sort: query.get("sort") ?? "",
    threads: ids(query.get("thread"), ","),
    processes: ids(query.get("process"), ","),
    states: (query.get("state") ?? "").split(",").filter((s) => /^(oncpu|gil|wantsgil|gc)$/.test(s)),
    invert: query.get("invert") === "1",
    isFlipped: query.get("flip") === "1",
    sel: one ?? null,
    focus: focus ?? null,
    hide: ids(query.get("hide"), ","),
    hideModules: ids(query.get("hidemod"), ","),
    hidePackages: ids(query.get("hidepkg"), ","),
    order: oneOf(query.get("order"), ["merged", "time"] as const, "merged"),
    group: oneOf(query.get("group"), ["", "module", "package", "file"] as const, ""),
    collapse: query.get("collapse") === "1",
    sight: span(query.get("sight")),
    colour: oneOf(query.get("colour"), ["package", "kind", "self"] as const, "package"),
    normalise: oneOf(query.get("normalise"), ["none", "total", "ncalls"] as const, "none"),
    rings: Number.isInteger(rings) && rings > 0 && rings <= 64 ? rings : 0,
    cutoff: cutoff > 0 && cutoff < 1 ? cutoff : 0,
    at: moment(query.get("at")),
    base: moment(query.get("base")),
    domains: (query.get("domain") ?? "").split(",").filter((d) => /^(object|malloc|mmap)$/.test(d)),
    measure: oneOf<Measure>(query.get("measure"), MEASURES, ""),
    by: oneOf(query.get("by"), ["line", "function", "stack"] as const, "line"),
    theme: theme ? oneOf(theme, ["system", "light", "dark"] as const, "system") : null,
  };
}

export function printState(state: ViewState): string {
  const query = new URLSearchParams();
  const put = (key: string, text: string) => {
    if (text) query.set(key, text);
  };
  const round = (n: number) => String(Number(n.toFixed(6)));
  put("view", state.view === USUAL.view ? "" : state.view);
  put("value", state.value);
  put("root", state.root.join("."));
  put("q", state.q);
  put("from", state.from === null ? "" : round(state.from));
  put("to", state.to === null ? "" : round(state.to));
  put("sort", state.sort);
  put("thread", state.threads.join(","));
  put("process", state.processes.join(","));
  put("state", state.states.join(","));
  put("invert", state.invert ? "1" : "");
  put("flip", state.isFlipped ? "1" : "");
  put("sel", state.sel === null ? "" : String(state.sel));
  put("focus", state.focus === null ? "" : String(state.focus));
  put("hide", state.hide.join(","));
  put("hidemod", state.hideModules.join(","));
  put("hidepkg", state.hidePackages.join(","));
  put("order", state.order === "merged" ? "" : state.order);
  put("group", state.group);
  put("collapse", state.collapse ? "1" : "");
  put("sight", state.sight ? state.sight.map(round).join("-") : "");
  put("colour", state.colour === "package" ? "" : state.colour);
  put("normalise", state.normalise === "none" ? "" : state.normalise);
  put("rings", state.rings ? String(state.rings) : "");
  put("cutoff", state.cutoff ? String(state.cutoff) : "");
  put("at", state.at === null ? "" : round(state.at));
  put("base", state.base === null ? "" : round(state.base));
  put("domain", state.domains.join(","));
  put("measure", state.measure);
  put("by", state.by === "line" ? "" : state.by);
  put("theme", state.theme ?? "");
  // Commas and dots need no escaping in a fragment, and links are read by people.
  return query.toString().replaceAll("%2C", ",");
}

/** Changes that a person would want to step back over; the rest only replaces the address. */
const STEPS: readonly (keyof ViewState)[] = [
  "view",
  "value",
  "root",
  "invert",
  "focus",
  "hide",
  "hideModules",
  "hidePackages",
  "order",
  "group",
  "collapse",
  "normalise",
  "threads",
  "processes",
  "states",
  "domains",
];

export function isStep(patch: Partial<ViewState>): boolean {
  return STEPS.some((key) => key in patch);
}

export function sameIds(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}

/** The profile that a path of this server opens; null when it is something else. */
export function profileIn(path: string): string | null {
  const id = /^\/p\/([^/]+)\/?$/.exec(path)?.[1];
  if (!id) return null;
  try {
    return decodeURIComponent(id);
  } catch {
    return id; // no encoding: no profile either, and the server says so
  }
}
