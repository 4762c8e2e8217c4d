import { HEAT_STEPS, KINDS, PACKAGE_SLOTS } from "../model/palette";

/** Palette slots in the order of model/palette.ts. */
export const SLOT_TOKENS = [
  ...Array.from({ length: PACKAGE_SLOTS }, (_, i) => `--hue-${i}`),
  "--hue-other",
  "--hue-root",
  ...["python", "native", "builtin", "kernel", "gc", "idle", "synthetic", "task"].slice(0, KINDS.length).map((k) => `--kind-${k}`),
  ...Array.from({ length: HEAT_STEPS }, (_, i) => `--heat-${i}`),
];
