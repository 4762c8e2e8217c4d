import type { ValueInfo } from "../api/types";
import { isTimeUnit } from "./format";

/** What a value is called where people read it, and the sentence that says what it means. */
const WORDS: Record<string, [title: string, meaning: string]> = {
  wall: ["wall", "Time that passed, waiting included."],
  cpu: ["cpu", "Time on a processor; waiting does not count."],
  gil: ["GIL", "Time with the global interpreter lock held."],
  in_use: ["in use", "What was alive at the end of the window, whenever it was allocated."],
  leaked: ["leaked in window", "Allocated in the window and still alive at its end."],
  peak: ["peak composition", "What was alive at the moment of the window when most was."],
  allocated: ["allocated", "Everything allocated in the window, freed again or not."],
  freed: ["freed", "What was freed in the window, by where it had been allocated."],
  temporary: ["temporary", "Allocated in the window and freed again at once."],
  allocations: ["allocations", "How many times memory was allocated in the window."],
  frees: ["frees", "How many times memory was freed in the window."],
  temporaries: ["temporary allocations", "How many allocations were freed again at once."],
  inuse_space: ["in use", "What was alive when the profile was taken."],
  inuse_objects: ["objects in use", "How many objects were alive when the profile was taken."],
  alloc_space: ["allocated", "Everything allocated since the start."],
  alloc_objects: ["objects allocated", "How many objects were allocated since the start."],
};
const ORDER = Object.keys(WORDS);
/** Kept by the collector to work out others from. */
const INTERNAL = new Set(["heap/born"]);
const MOST_SIDE_BY_SIDE = 4;

export function valueTitle(value: ValueInfo, all: readonly ValueInfo[] = []): string {
  const title = WORDS[value.name]?.[0] ?? value.name.replaceAll("_", " ");
  const isTwice = all.some((v) => v !== value && v.name === value.name);
  return isTwice && value.set ? `${title} (${value.set})` : title;
}

export function valueMeaning(value: ValueInfo): string {
  return WORDS[value.name]?.[1] ?? `in ${value.unit || "units"}`;
}

export function isMemory(value: ValueInfo): boolean {
  return value.unit === "bytes" || value.set === "heap";
}

/** The value that is shown: the chosen one, else the one the server marks. */
export function valueShown(values: readonly ValueInfo[], chosen: string): ValueInfo | undefined {
  return values.find((v) => v.key === chosen) ?? values.find((v) => v.default) ?? values[0];
}

/** Few stand side by side; of many, times do, and the rest is a menu in an order that makes sense. */
export function groupValues(values: readonly ValueInfo[]): { near: ValueInfo[]; bytes: ValueInfo[]; counts: ValueInfo[] } {
  const rank = (v: ValueInfo) => {
    const at = ORDER.indexOf(v.name);
    return at < 0 ? ORDER.length : at;
  };
  const shown = values.filter((v) => !INTERNAL.has(`${v.set}/${v.name}`)).sort((a, b) => rank(a) - rank(b));
  const times = shown.filter((v) => isTimeUnit(v.unit));
  const isMixed = times.length > 0 && shown.some(isMemory);
  const isFew = shown.length <= MOST_SIDE_BY_SIDE && !isMixed;
  const near = isFew ? shown : times.length <= MOST_SIDE_BY_SIDE ? times : [];
  const far = shown.filter((v) => !near.includes(v));
  return { near, bytes: far.filter((v) => v.unit === "bytes"), counts: far.filter((v) => v.unit !== "bytes") };
}
