import type { DiffAnswer, DiffRow } from "../api/types";
import { safeName } from "../canvas/text";
import { changeText, relativeText, rowId, sureText } from "../model/diff_model";
import { formatAmount, formatCount, formatPlace } from "../model/format";
import type { Query } from "../model/search";
import { copyText, el, fill, frameGate, icon, onResize } from "../widgets/dom";
import { stateCard, toast } from "../widgets/notice";

const ROW_PX = 28;
const SPARE_ROWS = 6;
const NARROW_PX = 620;

interface Column {
  key: string;
  title: string;
  hint: string;
  width: string;
  isText?: boolean;
  value(row: DiffRow): number | string;
  text(row: DiffRow): string;
  raw(row: DiffRow): string;
  /** Above 0: worse, below: better, for its colour. */
  lean?(row: DiffRow): number;
}

export interface DiffTableActions {
  select(id: number): void;
  sort(key: string): void;
  menu(x: number, y: number, row: DiffRow): void;
}

/** Every function of both, regressions first; only the rows in sight exist. */
export class DiffTable {
  readonly element = el("div", { class: "view table" });
  private readonly scroller = el("div", { class: "table-view", tabindex: 0, "aria-label": "Functions of both; arrow keys choose a row" });
  private readonly grid = el("div", { class: "grid", role: "table", "aria-label": "Functions of both" });
  private readonly head = el("div", { class: "row head", role: "row" });
  private readonly rows = el("div", { class: "rows", role: "rowgroup" });
  private readonly count = el("span", { class: "number" });
  private readonly message = el("div", { class: "stage", hidden: true });
  private readonly abort = new AbortController();
  private answer: DiffAnswer | null = null;
  private order: DiffRow[] = [];
  private columns: Column[] = [];
  private selected: number | null = null;
  private sort = "";
  private key: unknown[] = [];
  private isNarrow = false;
  private readonly drawSoon = frameGate(() => this.drawRows());

  constructor(private readonly actions: DiffTableActions) {
    const copy = el("button", { class: "button quiet", type: "button" }, icon("copy"), "Copy CSV");
    copy.addEventListener("click", () => void this.copyCsv());
    this.grid.append(el("div", { role: "rowgroup" }, this.head), this.rows);
    this.scroller.append(this.grid);
    this.element.append(
      el("div", { class: "view-bar" }, this.count, el("span", { class: "grow" }), copy),
      el("div", { class: "stage" }, this.scroller, this.message),
    );
    const { signal } = this.abort;
    this.scroller.addEventListener("scroll", () => this.drawSoon(), { signal, passive: true });
    onResize(this.scroller, signal, (width) => {
      this.isNarrow = width < NARROW_PX;
      this.updateHead();
      this.drawSoon();
    });
    this.rows.addEventListener("click", (event) => {
      const row = this.rowAt(event.target);
      if (row) actions.select(rowId(row));
    }, { signal });
    this.rows.addEventListener("contextmenu", (event) => {
      const row = this.rowAt(event.target);
      if (!row) return;
      event.preventDefault();
      actions.menu(event.clientX, event.clientY, row);
    }, { signal });
    this.scroller.addEventListener("keydown", (event) => this.onKey(event), { signal });
  }

  destroy(): void {
    this.abort.abort();
  }

  update(answer: DiffAnswer, query: Query, sort: string, selected: number | null): void {
    this.selected = selected;
    const key = [answer, query, sort];
    if (key.some((k, i) => k !== this.key[i])) {
      this.key = key;
      this.answer = answer;
      this.sort = sort;
      this.columns = columnsOf(answer);
      this.order = this.ordered(answer, query, sort);
      const all = answer.functions.length;
      this.count.textContent = this.order.length === all ? `${formatCount(all)} functions, regressions first` : `${formatCount(this.order.length)} of ${formatCount(all)} functions match`;
      if (sort) this.count.textContent = this.count.textContent.replace(", regressions first", "");
      this.message.hidden = this.order.length > 0;
      this.scroller.hidden = this.order.length === 0;
      if (!this.order.length) fill(this.message, stateCard("empty", all ? "Nothing found" : "No functions to compare", all ? "No function of the two matches the search." : "These two share benchmarks only."));
      this.updateHead();
      this.rows.style.height = `${this.order.length * ROW_PX}px`;
      this.grid.setAttribute("aria-rowcount", String(this.order.length + 1));
    }
    this.drawSoon();
  }

  private ordered(answer: DiffAnswer, query: Query, sort: string): DiffRow[] {
    const { matches } = query;
    const rows = matches ? answer.functions.filter((f) => matches(f.name, `${f.file}:${f.line}`)) : [...answer.functions];
    const column = this.columns.find((c) => c.key === sort.replace(/^-/, ""));
    if (!column) return rows; // as the server ranks them
    const sign = sort.startsWith("-") ? -1 : 1;
    return rows.sort((a, b) => {
      const [x, y] = [column.value(a), column.value(b)];
      return sign * (typeof x === "string" || typeof y === "string" ? String(x).localeCompare(String(y)) : x - y);
    });
  }

  private shownColumns(): Column[] {
    return this.isNarrow ? this.columns.filter((c) => ["name", "total_change", "total_relative"].includes(c.key)) : this.columns;
  }

  private updateHead(): void {
    const columns = this.shownColumns();
    this.grid.style.setProperty("--columns", columns.map((c) => (this.isNarrow && c.isText ? "minmax(0, 1fr)" : c.width)).join(" "));
    fill(
      this.head,
      ...columns.map((c) => {
        const isSorted = this.sort.replace(/^-/, "") === c.key;
        const isDescending = this.sort.startsWith("-");
        const button = el("button", { type: "button", title: c.hint }, c.title + (isSorted ? (isDescending ? " ▾" : " ▴") : ""));
        button.addEventListener("click", () => {
          const first = c.isText ? c.key : `-${c.key}`;
          const other = c.isText ? `-${c.key}` : c.key;
          this.actions.sort(!isSorted ? first : this.sort === first ? other : "");
        });
        return el("div", { class: c.isText ? "text" : "", role: "columnheader", "aria-sort": isSorted ? (isDescending ? "descending" : "ascending") : "none" }, button);
      }),
    );
  }

  private drawRows(): void {
    if (this.scroller.hidden) return;
    const top = this.scroller.scrollTop;
    const first = Math.max(0, Math.floor(top / ROW_PX) - SPARE_ROWS);
    const last = Math.min(this.order.length, Math.ceil((top + this.scroller.clientHeight) / ROW_PX) + SPARE_ROWS);
    const columns = this.shownColumns();
    const made: HTMLElement[] = [];
    for (let at = first; at < last; at++) made.push(this.makeRow(this.order[at] as DiffRow, at, columns));
    fill(this.rows, ...made);
  }

  private makeRow(row: DiffRow, at: number, columns: Column[]): HTMLElement {
    const isSelected = rowId(row) === this.selected;
    const element = el("div", { class: `row${isSelected ? " is-selected" : ""}`, role: "row", "aria-rowindex": at + 2, "data-at": at });
    element.style.top = `${at * ROW_PX}px`;
    for (const c of columns) {
      const text = safeName(c.text(row));
      const by = c.lean?.(row) ?? 0;
      const cell = el("div", { class: `cell${c.isText ? " text" : ""}${c.key === "name" ? " fn" : c.key === "file" ? " place" : ""}${by > 0 ? " is-more" : by < 0 ? " is-less" : ""}`, role: "cell" });
      if (c.key === "name" && row.is_regression) cell.append(el("span", { class: "regression", title: "Grew by more than chance and by more than little" }, "▲"), el("span", { class: "unseen" }, "regression: "));
      if (c.isText) cell.title = safeName(c.raw(row)).slice(0, 1000);
      cell.append(text.length > 300 ? `${text.slice(0, 150)}…${text.slice(-149)}` : text);
      if (c.key === "name" && (row.state === "added" || row.state === "removed")) cell.append(el("span", { class: "tag" }, row.state));
      element.append(cell);
    }
    return element;
  }

  private rowAt(target: EventTarget | null): DiffRow | null {
    const element = target instanceof Element ? target.closest<HTMLElement>("[data-at]") : null;
    return element ? (this.order[Number(element.dataset["at"])] ?? null) : null;
  }

  private onKey(event: KeyboardEvent): void {
    if ((event.target as HTMLElement).tagName === "BUTTON" || !this.order.length) return;
    const now = this.order.findIndex((row) => rowId(row) === this.selected);
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / ROW_PX) - 2);
    const to: Record<string, number> = { ArrowDown: now + 1, ArrowUp: Math.max(0, now - 1), PageDown: now + page, PageUp: now - page, Home: 0, End: this.order.length - 1 };
    if (!(event.key in to)) return;
    const at = Math.min(this.order.length - 1, Math.max(0, to[event.key] as number));
    const top = at * ROW_PX;
    const room = this.scroller.clientHeight - ROW_PX - 34;
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    else if (top > this.scroller.scrollTop + room) this.scroller.scrollTop = top - room;
    this.actions.select(rowId(this.order[at] as DiffRow));
    event.preventDefault();
  }

  private async copyCsv(): Promise<void> {
    if (!this.answer) return;
    const quote = (text: string) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const lines = [this.columns.map((c) => c.key), ...this.order.map((row) => this.columns.map((c) => quote(c.raw(row))))];
    const isDone = await copyText(`${lines.map((cells) => cells.join(",")).join("\r\n")}\r\n`);
    toast(isDone ? `Copied ${formatCount(this.order.length)} rows` : "The browser did not allow copying");
  }
}

function columnsOf(d: DiffAnswer): Column[] {
  const unit = d.unit ?? "";
  const least = (n: number) => (Number.isFinite(n) ? n : 0);
  const amounts = (what: "self" | "total", title: string): Column[] => [
    { key: `${what}_base`, title: `${title} A`, hint: `${what} in the base`, width: "82px", value: (r) => r[what].base, text: (r) => formatAmount(r[what].base, unit), raw: (r) => String(r[what].base) },
    { key: `${what}_target`, title: `${title} B`, hint: `${what} in the target`, width: "82px", value: (r) => r[what].target, text: (r) => formatAmount(r[what].target, unit), raw: (r) => String(r[what].target) },
    { key: `${what}_change`, title: "change", hint: `how much ${what} grew or shrank`, width: "82px", value: (r) => r[what].change, text: (r) => changeText(r[what].change, unit), raw: (r) => String(r[what].change), lean: (r) => r[what].change },
    {
      key: `${what}_relative`,
      title: "%",
      hint: `change of ${what}, of the base`,
      width: "70px",
      value: (r) => (r[what].base === 0 ? (r[what].target > 0 ? Number.MAX_VALUE : 0) : least(r[what].target / r[what].base - 1)),
      text: (r) => relativeText(r[what].base, r[what].target),
      raw: (r) => String(r[what].relative ?? ""),
      lean: (r) => r[what].change,
    },
  ];
  const columns = [...amounts("total", "Total"), ...amounts("self", "Self")];
  if (d.is_tested)
    columns.push({
      key: "q",
      title: "q",
      hint: "False discovery rate at which the change is one, the smaller of self and total; blank: too few samples to tell",
      width: "64px",
      value: (r) => Math.min(r.self.q ?? 2, r.total.q ?? 2),
      text: (r) => sureText((r.self.q ?? 2) <= (r.total.q ?? 2) ? r.self : r.total),
      raw: (r) => String(Math.min(r.self.q ?? 2, r.total.q ?? 2)),
    });
  if (d.functions.some((f) => f.ncalls))
    columns.push({
      key: "ncalls",
      title: "calls",
      hint: "number of calls, base and target",
      width: "124px",
      value: (r) => (r.ncalls ? r.ncalls.target - r.ncalls.base : 0),
      text: (r) => (!r.ncalls ? "" : r.ncalls.base === r.ncalls.target ? formatCount(r.ncalls.base) : `${formatCount(r.ncalls.base)} → ${formatCount(r.ncalls.target)}`),
      raw: (r) => (r.ncalls ? `${r.ncalls.base}>${r.ncalls.target}` : ""),
    });
  columns.unshift(
    { key: "name", title: "Function", hint: "qualified name", width: "minmax(170px, 2fr)", isText: true, value: (r) => r.name, text: (r) => r.name, raw: (r) => r.name },
  );
  columns.push(
    { key: "file", title: "Place", hint: "file and first line", width: "minmax(90px, 1fr)", isText: true, value: (r) => r.file, text: (r) => formatPlace(r.file, r.line), raw: (r) => `${r.file}:${r.line}` },
  );
  return columns;
}
