/** Colours live in styles/tokens.css; here they become numbers a canvas can use. */

export type Rgb = readonly [number, number, number];

const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

/** The sRGB bytes of any CSS colour, oklch() too. */
export function toRgb(css: string): Rgb {
  if (!probe) return [128, 128, 128];
  probe.fillStyle = "#808080";
  probe.fillStyle = css;
  probe.fillRect(0, 0, 1, 1);
  const data = probe.getImageData(0, 0, 1, 1).data;
  return [data[0] ?? 0, data[1] ?? 0, data[2] ?? 0];
}

export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function mixRgb(a: Rgb, b: Rgb, share: number): Rgb {
  const mix = (i: 0 | 1 | 2) => Math.round(a[i] + (b[i] - a[i]) * share);
  return [mix(0), mix(1), mix(2)];
}

/** As an ImageData pixel; every machine a browser runs on is little endian. */
export function pixel(rgb: Rgb): number {
  return (0xff000000 | (rgb[2] << 16) | (rgb[1] << 8) | rgb[0]) >>> 0;
}

export function cssOf(value: number): string {
  return `rgb(${value & 255} ${(value >>> 8) & 255} ${(value >>> 16) & 255})`;
}

export interface Tokens {
  background: Rgb;
  ink: string;
  inkSoft: string;
  line: string;
  accent: string;
  accentSoft: string;
  bad: string;
  boxInk: string;
  hit: Rgb;
  /** slot * SHADES + shade */
  slots: Rgb[];
  /** Less, the same, more: of two profiles compared. */
  diff: readonly [Rgb, Rgb, Rgb];
  plot: string[];
  font: string;
  mono: string;
}

export const SHADES = 4;

/** Reads everything anew: after the theme has changed. */
export function readTokens(slotNames: readonly string[]): Tokens {
  const background = toRgb(token("--surface"));
  const away = toRgb(token("--shade-to"));
  const slots: Rgb[] = [];
  for (const name of slotNames) {
    const base = toRgb(token(name));
    for (let shade = 0; shade < SHADES; shade++) slots.push(mixRgb(base, away, shade * 0.055));
  }
  return {
    background,
    ink: token("--ink"),
    inkSoft: token("--ink-soft"),
    line: token("--line"),
    accent: token("--accent"),
    accentSoft: token("--accent-soft"),
    bad: token("--bad"),
    boxInk: token("--box-ink"),
    hit: toRgb(token("--hit")),
    slots,
    diff: [toRgb(token("--diff-less")), toRgb(token("--diff-same")), toRgb(token("--diff-more"))],
    plot: Array.from({ length: 8 }, (_, i) => token(`--plot-${i}`)),
    font: token("--font"),
    mono: token("--mono"),
  };
}
