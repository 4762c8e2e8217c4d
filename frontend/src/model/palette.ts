/**
 * Which colour a function gets. Hue means package: the packages that cost most get the hues that
 * are furthest apart, everything else is grey. An assignment is kept for the life of the page, so
 * that a package does not change colour while a live profile grows.
 */

import type { FlameHead } from "../api/types";

export type ColourMode = "package" | "kind" | "self";

export const KINDS = [
  "Python",
  "native",
  "builtin",
  "kernel",
  "garbage collector",
  "idle",
  "synthetic",
  "task",
] as const;

/** What is no code of anybody's: the root, what was left out. */
export const SYNTHETIC = KINDS.indexOf("synthetic");
/** An asyncio task by its name: what it calls are its coroutines. */
export const TASK = KINDS.indexOf("task");

/** Slots of the palette, in the order they are given away; see styles/tokens.css. */
export const PACKAGE_SLOTS = 10;
export const SLOT_OTHER = PACKAGE_SLOTS;
export const SLOT_ROOT = PACKAGE_SLOTS + 1;
/** + kind: native, builtin... have their own slots when the mode is "kind". */
export const SLOT_KINDS = PACKAGE_SLOTS + 2;
/** + step: the heat scale of the mode "self". */
export const SLOT_HEAT = SLOT_KINDS + KINDS.length;
export const HEAT_STEPS = 8;
export const SLOTS = SLOT_HEAT + HEAT_STEPS;

export interface FunctionInfo {
  file: string;
  module: string;
  kind: number;
}

/** "json.decoder" -> "json"; without a module, the package folder or file of the path. */
export function packageOf(fn: FunctionInfo): string {
  if (fn.module) return fn.module.split(".")[0] || fn.module;
  if (!fn.file) return fn.kind === 0 ? "" : (KINDS[fn.kind] ?? "");
  if (fn.file === "~") return "builtins";
  const frozen = /^<frozen ([^>.]+)/.exec(fn.file);
  if (frozen?.[1]) return frozen[1];
  if (fn.file.startsWith("<")) return fn.file;
  const parts = fn.file.split("/");
  const site = Math.max(parts.lastIndexOf("site-packages"), parts.lastIndexOf("dist-packages"));
  const inside = site >= 0 ? parts.slice(site + 1) : libraryPart(parts);
  const first = inside[0] ?? fn.file;
  return first.replace(/\.(py|pyx|so|c)$/, "");
}

/** The package of each function of a picture: by file and module, of which there are few. */
export function packagesOf({ functions, files, modules }: FlameHead): string[] {
  const known = new Map<number, string>();
  return functions.id.map((_, fn) => {
    const at = { file: functions.file[fn] ?? 0, module: functions.module[fn] ?? 0, kind: functions.kind[fn] ?? 0 };
    const key = (at.module * files.length + at.file) * 256 + at.kind;
    let name = known.get(key);
    if (name === undefined) known.set(key, (name = packageOf({ file: files[at.file] ?? "", module: modules[at.module] ?? "", kind: at.kind })));
    return name;
  });
}

function libraryPart(parts: string[]): string[] {
  const python = parts.findLastIndex((p) => /^python\d(\.\d+)?$/.test(p));
  return python >= 0 && python < parts.length - 1 ? parts.slice(python + 1) : parts.slice(-1);
}

export class PackageColours {
  private readonly slots = new Map<string, number>();

  /** Gives free slots to the heaviest packages that have none; those that have keep theirs. */
  assign(weights: ReadonlyMap<string, number>, smallestShare = 0.005): void {
    let sum = 0;
    for (const weight of weights.values()) sum += weight;
    const ranked = [...weights]
      .filter(([name, weight]) => name && !this.slots.has(name) && weight > sum * smallestShare)
      .sort((a, b) => Number(b[0] === "__main__") - Number(a[0] === "__main__") || b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    for (const [name] of ranked) {
      if (this.slots.size >= PACKAGE_SLOTS) return;
      this.slots.set(name, this.slots.size);
    }
  }

  slotOf(name: string): number {
    return this.slots.get(name) ?? SLOT_OTHER;
  }

  names(): string[] {
    return [...this.slots.keys()];
  }
}

/** A small number that is the same for the same text everywhere: shades within one hue. */
export function shadeOf(text: string): number {
  let hash = 2166136261;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
  return ((hash >>> 8) & 3) as number;
}

export function heatSlot(selfShareOfHottest: number): number {
  const step = Math.ceil(Math.sqrt(Math.max(0, Math.min(1, selfShareOfHottest))) * (HEAT_STEPS - 1));
  return SLOT_HEAT + step;
}
