/** Fewer letters than this say nothing. */
const SHORTEST = 5;

/** Fits names into boxes; widths are measured once for each text and kept. */
export class TextFitter {
  private widths = new Map<string, number>();
  private fits = new Map<string, string>();

  constructor(private readonly context: CanvasRenderingContext2D) {}

  /** Call after the context's font has changed. */
  reset(): void {
    this.widths.clear();
    this.fits.clear();
  }

  width(text: string): number {
    let width = this.widths.get(text);
    if (width === undefined) {
      if (this.widths.size > 20000) this.widths.clear();
      width = this.context.measureText(text).width;
      this.widths.set(text, width);
    }
    return width;
  }

  /** The text, or its two ends with an ellipsis between; "" when nothing useful fits. */
  fit(text: string, room: number): string {
    if (text.length > 400) text = `${text.slice(0, 200)}…${text.slice(-199)}`;
    const width = this.width(text);
    if (width <= room) return text;
    let keep = Math.floor((text.length * room) / width);
    if (keep < SHORTEST) return "";
    const key = `${keep}\u0000${Math.floor(room)}\u0000${text}`;
    const known = this.fits.get(key);
    if (known !== undefined) return known;
    let result = "";
    for (; keep >= SHORTEST; keep--) {
      const head = Math.ceil((keep - 1) / 2);
      const candidate = `${text.slice(0, head)}…${text.slice(text.length - (keep - 1 - head))}`;
      if (this.context.measureText(candidate).width <= room) {
        result = candidate;
        break;
      }
    }
    if (this.fits.size > 20000) this.fits.clear();
    this.fits.set(key, result);
    return result;
  }
}

/**
 * Names come from profiles. What would turn the rest of the line around or hide is shown as the
 * sign it is: U+202E and its kin, control characters, zero-width ones.
 */
export function safeName(name: string): string {
  return name.replace(
    /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\u061c]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
