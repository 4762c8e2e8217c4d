import type { TableAnswer, TableColumns } from "../api/types";
import { formatAmount, formatCount, formatPercent, formatPlace } from "./format";
import type { Query } from "./search";

export interface Column {
  key: string;
  title: string;
  hint: string;
  isText?: boolean;
  /** Share of the whole, drawn as a bar behind the number. */
  isBar?: boolean;
  sortValue(row: number): number | string;
  text(row: number): string;
  /** For CSV: never rounded. */
  raw(row: number): string;
}

const six = (seconds: number) => (Number.isFinite(seconds) ? seconds.toFixed(6) : "–");

/** The columns each shape has; a call graph's are pstats' own, printed as pstats prints them. */
export function columnsOf(table: TableAnswer): Column[] {
  const c = table.columns;
  const name: Column[] = [
    {
      key: "name",
      title: "Function",
      hint: "qualified name",
      isText: true,
      sortValue: (r) => c.name[r] ?? "",
      text: (r) => c.name[r] ?? "",
      raw: (r) => c.name[r] ?? "",
    },
    {
      key: "file",
      title: "Place",
      hint: "file and first line",
      isText: true,
      sortValue: (r) => `${c.file[r] ?? ""}:${String(c.line[r] ?? 0).padStart(8, "0")}`,
      text: (r) => formatPlace(c.file[r] ?? "", c.line[r] ?? 0),
      raw: (r) => `${c.file[r] ?? ""}:${c.line[r] ?? 0}`,
    },
  ];
  return [...(table.shape === "call-graph" ? callGraphColumns(table, c) : sampleColumns(table, c)), ...name];
}

function sampleColumns(table: TableAnswer, c: TableColumns): Column[] {
  const amount = (key: "self" | "total", title: string, hint: string): Column[] => [
    {
      key,
      title,
      hint,
      isBar: true,
      sortValue: (r) => c[key]?.[r] ?? 0,
      text: (r) => formatAmount(c[key]?.[r] ?? 0, table.unit),
      raw: (r) => String(c[key]?.[r] ?? ""),
    },
    {
      key: `${key}_share`,
      title: `${title} %`,
      hint: `${hint}, share of all`,
      sortValue: (r) => c[key]?.[r] ?? 0,
      text: (r) => formatPercent((c[key]?.[r] ?? 0) / (table.total || 1)),
      raw: (r) => String((c[key]?.[r] ?? 0) / (table.total || 1)),
    },
  ];
  const columns = [
    ...amount("self", "Self", "in the function itself"),
    ...amount("total", "Total", "with everything it calls"),
  ];
  if (c.samples_self && c.samples_total)
    columns.push({
      key: "samples_self",
      title: "Samples",
      hint: "samples in the function itself / with everything it calls",
      sortValue: (r) => c.samples_self?.[r] ?? 0,
      text: (r) => `${formatCount(c.samples_self?.[r] ?? 0)} / ${formatCount(c.samples_total?.[r] ?? 0)}`,
      raw: (r) => String(c.samples_self?.[r] ?? ""),
    });
  return columns;
}

function callGraphColumns(table: TableAnswer, c: TableColumns): Column[] {
  const calls = (r: number) => c.ncalls?.[r] ?? 0;
  const primitive = (r: number) => c.primitive_calls?.[r] ?? calls(r);
  const seconds = table.unit === "s" || table.unit === "seconds";
  const show = (n: number) => (seconds ? six(n) : formatAmount(n, table.unit));
  const number = (key: string, title: string, hint: string, get: (r: number) => number, isBar = false): Column => ({
    key,
    title,
    hint,
    isBar,
    sortValue: get,
    text: (r) => show(get(r)),
    raw: (r) => String(get(r)),
  });
  return [
    {
      key: "ncalls",
      title: "ncalls",
      hint: "calls; with recursion: all calls / primitive calls",
      sortValue: calls,
      text: (r) => (calls(r) === primitive(r) ? String(calls(r)) : `${calls(r)}/${primitive(r)}`),
      raw: (r) => (calls(r) === primitive(r) ? String(calls(r)) : `${calls(r)}/${primitive(r)}`),
    },
    number("tottime", "tottime", "time in the function itself", (r) => c.tottime?.[r] ?? 0, true),
    number("percall_self", "percall", "tottime / ncalls", (r) => ratio(c.tottime?.[r] ?? 0, calls(r))),
    number("cumtime", "cumtime", "time with everything it calls", (r) => c.cumtime?.[r] ?? 0, true),
    number("percall_total", "percall", "cumtime / primitive calls", (r) => ratio(c.cumtime?.[r] ?? 0, primitive(r))),
  ];
}

function ratio(amount: number, count: number): number {
  return count ? amount / count : 0;
}

/** Value behind the bar, as a share of the whole. */
export function barShare(table: TableAnswer, key: string, row: number): number {
  const c = table.columns;
  const amount =
    key === "self" ? c.self : key === "total" ? c.total : key === "tottime" ? c.tottime : c.cumtime;
  return table.total > 0 ? Math.min(1, (amount?.[row] ?? 0) / table.total) : 0;
}

export interface Sort {
  key: string;
  isDescending: boolean;
}

/** "-total" and "name": how the URL writes it. */
export function parseSort(text: string): Sort | null {
  if (!text) return null;
  return text.startsWith("-")
    ? { key: text.slice(1), isDescending: true }
    : { key: text, isDescending: false };
}

export function printSort(sort: Sort): string {
  return (sort.isDescending ? "-" : "") + sort.key;
}

export function defaultSort(table: TableAnswer): Sort {
  return { key: table.shape === "call-graph" ? "tottime" : "self", isDescending: true };
}

/** Row numbers in the order to show; ties keep the table's own order. */
export function orderRows(table: TableAnswer, sort: Sort, query: Query): Uint32Array {
  const columns = columnsOf(table);
  const column = columns.find((c) => c.key === sort.key) ?? columns[0];
  const { name, file, line } = table.columns;
  const rows: number[] = [];
  for (let r = 0; r < name.length; r++)
    if (!query.matches || query.matches(name[r] ?? "", `${file[r] ?? ""}:${line[r] ?? 0}`)) rows.push(r);
  const order = Uint32Array.from(rows);
  if (!column) return order;

  const sign = sort.isDescending ? -1 : 1;
  if (column.isText) {
    const keys = name.map((_, r) => String(column.sortValue(r)).toLowerCase());
    return order.sort((a, b) => {
      const ka = keys[a] as string;
      const kb = keys[b] as string;
      return ka < kb ? -sign : ka > kb ? sign : a - b;
    });
  }
  const keys = new Float64Array(name.length);
  for (let r = 0; r < keys.length; r++) keys[r] = Number(column.sortValue(r));
  return order.sort((a, b) => sign * ((keys[a] as number) - (keys[b] as number)) || a - b);
}

/** RFC 4180; a cell that a spreadsheet would run as a formula gets a leading quote. */
export function toCsv(table: TableAnswer, order: Uint32Array): string {
  const columns = columnsOf(table);
  const cell = (text: string) => {
    const safe = /^[=+@\t\r]|^-(?![\d.])/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const lines = [columns.map((c) => cell(c.key)).join(",")];
  for (const row of order) lines.push(columns.map((c) => cell(c.raw(row))).join(","));
  return lines.join("\r\n") + "\r\n";
}
