import { DIFF_SHADES, DIFF_STEPS } from "../model/diff_model";
import { mixRgb, pixel, type Tokens } from "./colours";

const DIMMED = 0.84;

/** From less to more, then the same dimmed: what model/diff_model.ts tints boxes with. */
export function diffColours(tokens: Tokens): Uint32Array {
  const [less, same, more] = tokens.diff;
  const shades = Array.from({ length: DIFF_SHADES }, (_, i) => {
    const step = (i - DIFF_STEPS) / DIFF_STEPS;
    return mixRgb(same, step < 0 ? less : more, Math.abs(step));
  });
  return Uint32Array.from([...shades.map(pixel), ...shades.map((rgb) => pixel(mixRgb(rgb, tokens.background, DIMMED)))]);
}
