// What a page looks like, so coarsely that fonts do not matter: the average colour of each cell of
// a grid, and how much of one grid is not found in another.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { ROOT } from "./browser.mjs";

export const BASELINE = join(ROOT, "tests/browser/looks.json");
/** The screen, and the part of it from the view's corner that is looked at. */
export const SIZES = {
  desk: { width: 1280, height: 800, seen: { width: 900, height: 500 }, columns: 30, rows: 20 },
  hand: { width: 390, height: 844, seen: { width: 360, height: 440 }, columns: 18, rows: 22 },
};
/** A channel has 16 steps and may differ by one: the tint of other letters, and of smoothed edges. */
const STEP = 16;
/** Share of the cells that show something which may be found nowhere near. */
export const SHARE_TOLERANCE = 0.2;

export const baseline = () => JSON.parse(readFileSync(BASELINE, "utf8"));

/** Rows of cells, a cell as three hex digits. `reader` is an empty page, free of the shown one's policy. */
export async function look(page, reader, { seen, columns, rows }) {
  const { x, y } = await page.locator("#view").boundingBox();
  const png = (await page.screenshot({ clip: { x, y, ...seen } })).toString("base64");
  return reader.evaluate(
    async ([bytes, columns_, rows_, step]) => {
      const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${bytes}`)).blob());
      const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
      context.drawImage(image, 0, 0);
      const cell = (column, row) => {
        const x = Math.floor((column * image.width) / columns_);
        const y = Math.floor((row * image.height) / rows_);
        const width = Math.floor(((column + 1) * image.width) / columns_) - x;
        const height = Math.floor(((row + 1) * image.height) / rows_) - y;
        const { data } = context.getImageData(x, y, width, height);
        const sum = [0, 0, 0];
        for (let i = 0; i < data.length; i += 4) for (let k = 0; k < 3; k++) sum[k] += data[i + k];
        return sum.map((v) => Math.floor(v / (width * height * step)).toString(16)).join("");
      };
      return Array.from({ length: rows_ }, (_, row) => Array.from({ length: columns_ }, (_x, column) => cell(column, row)).join(""));
    },
    [png, columns, rows, STEP],
  );
}

/**
 * Share of the cells of either grid that the other has nowhere near; the ground does not count. A
 * line that wraps with another font moves what is below by about a cell, so neighbours count too.
 */
export function difference(one, other) {
  const a = one.map(cells);
  const b = other.map(cells);
  return Math.max(missing(a, b), missing(b, a));
}

const cells = (row) => row.match(/.../g).map((cell) => [...cell].map((digit) => parseInt(digit, 16)));
const alike = (p, q) => p.every((v, i) => Math.abs(v - q[i]) <= 1);

/** The colour that most cells have. */
function ground(grid) {
  const counts = new Map();
  for (const cell of grid.flat()) counts.set(cell.join(), (counts.get(cell.join()) ?? 0) + 1);
  return [...counts].sort((p, q) => q[1] - p[1])[0][0].split(",").map(Number);
}

function missing(grid, from) {
  const near = [-1, 0, 1];
  const empty = ground(grid);
  let shown = 0;
  let lost = 0;
  grid.forEach((row, y) =>
    row.forEach((cell, x) => {
      if (alike(cell, empty)) return;
      shown++;
      if (!near.some((dy) => near.some((dx) => from[y + dy]?.[x + dx] && alike(cell, from[y + dy][x + dx])))) lost++;
    }),
  );
  return shown ? lost / shown : 0;
}
