import type { Flame, FlameRow } from "../../../frontend/src/api/types";

export interface Shape {
  name: string;
  width: number;
  children?: Shape[];
}

/** A flame graph from a drawing of it; the root's own name is "all". */
export function flameOf(children: Shape[], width: number): Flame {
  const names = ["all"];
  const rows: { x0: number[]; x1: number[]; fn: number[] }[] = [];
  const visit = (shape: Shape, depth: number, x: number) => {
    let fn = names.indexOf(shape.name);
    if (fn < 0) fn = names.push(shape.name) - 1;
    const row = (rows[depth] ??= { x0: [], x1: [], fn: [] });
    row.x0.push(x);
    row.x1.push(x + shape.width);
    row.fn.push(fn);
    let at = x;
    for (const child of shape.children ?? []) {
      visit(child, depth + 1, at);
      at += child.width;
    }
  };
  visit({ name: "all", width, children }, 0, 0);
  const flameRows: FlameRow[] = rows.map((r) => ({
    x0: Uint32Array.from(r.x0),
    x1: Uint32Array.from(r.x1),
    fn: Uint32Array.from(r.fn),
    flags: null,
  }));
  return {
    rows: flameRows,
    head: {
      rev: 1,
      value: "wall",
      unit: "ns",
      total: width * 1e6,
      scale: 1e6,
      samples: width,
      from_s: 0,
      to_s: 1,
      rows: flameRows.map((r) => r.fn.length),
      nodes: 0,
      pruned: 0,
      truncated_depth: 0,
      estimated: false,
      flags: false,
      functions: {
        id: names.map((_, i) => i * 10),
        name: names,
        file: names.map(() => 1),
        line: names.map((_, i) => i),
        kind: names.map(() => 0),
        module: names.map(() => 0),
      },
      files: ["", "/srv/app/views.py"],
      modules: [""],
    },
  };
}

/** main(100): a(60): b(40): a(10) | c(20), d(30): b(5) */
export function sample(): Flame {
  return flameOf(
    [
      {
        name: "a",
        width: 60,
        children: [
          { name: "b", width: 40, children: [{ name: "a", width: 10 }] },
          { name: "c", width: 20 },
        ],
      },
      { name: "d", width: 30, children: [{ name: "b", width: 5 }] },
    ],
    100,
  );
}
