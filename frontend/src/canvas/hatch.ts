import type { Tokens } from "./colours";

/** Slanted lines over what is estimated; one tile, made anew when the theme changes. */
export class Hatch {
  private pattern: CanvasPattern | null = null;
  private key = "";

  style(context: CanvasRenderingContext2D, tokens: Tokens, ratio: number): CanvasPattern | string {
    const key = `${tokens.boxInk} ${ratio}`;
    if (this.pattern && key === this.key) return this.pattern;
    const size = Math.max(6, Math.round(6 * ratio));
    const tile = document.createElement("canvas");
    tile.width = tile.height = size;
    const pen = tile.getContext("2d");
    if (!pen) return "transparent";
    pen.strokeStyle = tokens.boxInk;
    pen.globalAlpha = 0.2;
    pen.lineWidth = Math.max(1, ratio);
    pen.beginPath();
    for (const shift of [-size, 0, size]) {
      pen.moveTo(shift, size);
      pen.lineTo(shift + size, 0);
    }
    pen.stroke();
    this.pattern = context.createPattern(tile, "repeat");
    // The pattern is in device pixels whatever the context's scale is.
    this.pattern?.setTransform(context.getTransform().inverse());
    this.key = key;
    return this.pattern ?? "transparent";
  }
}
