import { cssOf, type Tokens } from "./colours";
import { rowHeightFor, type FlameScene } from "./flame_painter";
import { gallop, type BoxColumns } from "./rows";
import { layoutArcs, type Arc } from "./sunburst_layout";
import type { SunburstScene } from "./sunburst_painter";
import { safeName } from "./text";

/** The picture as a drawing that stays sharp: no script, nothing from elsewhere, titles on hover. */

const FONT = 12;
const LETTER = 6.3; // pixels of an average letter at that size: an export measures nothing
const LEAST = 0.4; // pixels: thinner boxes are not worth a line of the file

function escape(text: string): string {
  return safeName(text).replace(/[<>&"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

function shorten(text: string, room: number): string {
  const letters = Math.floor(room / LETTER);
  if (text.length <= letters) return text;
  if (letters < 5) return "";
  const head = Math.ceil((letters - 1) / 2);
  return `${text.slice(0, head)}…${text.slice(text.length - (letters - 1 - head))}`;
}

function wrap(width: number, height: number, tokens: Tokens, body: string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="${escape(tokens.font)}" font-size="${FONT}">`,
    `<rect width="100%" height="100%" fill="rgb(${tokens.background.join(" ")})"/>`,
    ...body,
    "</svg>\n",
  ].join("\n");
}

export function flameSvg(scene: FlameScene, tokens: Tokens, width: number): string {
  const { rows, domain } = scene;
  const scale = width / (domain.hi - domain.lo);
  const body: string[] = [];
  let last = 0;
  rows.forEach((row, depth) => {
    if (gallop(row.x1, domain.lo, 0) < row.x0.length) last = depth;
  });
  const rowHeight = rowHeightFor(rows.length, 0);
  const height = (last + 1) * rowHeight;
  for (let depth = 0; depth <= last; depth++) {
    const row = rows[depth] as BoxColumns;
    const top = scene.isFlipped ? height - (depth + 1) * rowHeight : depth * rowHeight;
    let i = gallop(row.x1, domain.lo, 0);
    while (i < row.x0.length && (row.x0[i] as number) < domain.hi) {
      const left = Math.max(0, ((row.x0[i] as number) - domain.lo) * scale);
      const right = Math.min(width, ((row.x1[i] as number) - domain.lo) * scale);
      if (right - left < LEAST) {
        i = gallop(row.x1, domain.lo + (left + LEAST) / scale, i + 1);
        continue;
      }
      const fn = row.fn[i] as number;
      const name = scene.label(fn);
      const share = scene.share((row.x1[i] as number) - (row.x0[i] as number), depth, i);
      const label = shorten(name, right - left - 8);
      body.push(
        `<g><title>${escape(name.slice(0, 500))} ${share}</title>` +
          `<rect x="${left.toFixed(2)}" y="${top}" width="${Math.max(0.3, right - left - 0.6).toFixed(2)}" height="${rowHeight - 1}" fill="${cssOf(scene.colours[(row.tint ?? row.fn)[i] as number] as number)}"/>` +
          (label ? `<text x="${(left + 4).toFixed(2)}" y="${top + rowHeight / 2 + 4}" fill="${tokens.boxInk}">${escape(label)}</text>` : "") +
          "</g>",
      );
      i++;
    }
  }
  return wrap(width, height, tokens, body);
}

export function sunburstSvg(scene: SunburstScene, tokens: Tokens, share: (width: number) => string): string {
  const size = Math.ceil(scene.frame.radius * 2 + 20);
  const body: string[] = [`<g transform="translate(${size / 2} ${size / 2})" text-anchor="middle">`];
  for (const arc of layoutArcs(scene.rows, scene.frame)) {
    const row = scene.rows[arc.depth] as BoxColumns;
    const fn = arc.index >= 0 ? (row.fn[arc.index] as number) : -1;
    const fill = fn >= 0 ? cssOf(scene.colours[(row.tint ?? row.fn)[arc.index] as number] as number) : tokens.line;
    const name = fn >= 0 ? scene.label(fn) : "";
    const width = fn >= 0 ? (row.x1[arc.index] as number) - (row.x0[arc.index] as number) : 0;
    const title = fn >= 0 ? `<title>${escape(name.slice(0, 500))} ${share(width)}</title>` : "";
    body.push(
      `<path d="${arcPath(arc)}" fill="${fill}" stroke="rgb(${tokens.background.join(" ")})" fill-rule="evenodd">${title}</path>`,
    );
    const radius = (arc.r0 + arc.r1) / 2;
    const label = arc.r0 > 0 ? shorten(name, Math.min((arc.a1 - arc.a0) * radius, Math.PI * radius) - 10) : "";
    if (label) {
      // Straight across the middle of the arc: letters on a curve are not for every program.
      const middle = (arc.a0 + arc.a1) / 2;
      const turn = (middle * 180) / Math.PI;
      const isLower = middle > Math.PI / 2 && middle < Math.PI * 1.5;
      const chord = 2 * radius * Math.sin(Math.min(Math.PI, arc.a1 - arc.a0) / 2);
      const fitted = shorten(label, Math.min(chord, radius * 0.9));
      if (fitted)
        body.push(
          `<text transform="rotate(${turn.toFixed(2)}) translate(0 ${(-radius).toFixed(2)})${isLower ? " rotate(180)" : ""}" y="4" fill="${tokens.boxInk}">${escape(fitted)}</text>`,
        );
    }
  }
  body.push("</g>");
  return wrap(size, size, tokens, body);
}

function arcPath(arc: Arc): string {
  const point = (radius: number, angle: number) =>
    `${(radius * Math.sin(angle)).toFixed(2)} ${(-radius * Math.cos(angle)).toFixed(2)}`;
  const ring = (radius: number) =>
    `M${point(radius, 0)}A${radius} ${radius} 0 1 1 ${point(radius, Math.PI)}A${radius} ${radius} 0 1 1 ${point(radius, 0)}Z`;
  if (arc.a1 - arc.a0 > Math.PI * 2 - 1e-6) return ring(arc.r1) + (arc.r0 > 0 ? ring(arc.r0) : "");
  const large = arc.a1 - arc.a0 > Math.PI ? 1 : 0;
  return (
    `M${point(arc.r1, arc.a0)}A${arc.r1} ${arc.r1} 0 ${large} 1 ${point(arc.r1, arc.a1)}` +
    `L${point(arc.r0, arc.a1)}A${arc.r0} ${arc.r0} 0 ${large} 0 ${point(arc.r0, arc.a0)}Z`
  );
}
