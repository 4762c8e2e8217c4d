import { safeName } from "../canvas/text";
import { cssOf, pixel } from "../canvas/colours";
import { formatCount } from "../model/format";
import { KINDS, packageOf, SLOT_KINDS } from "../model/palette";
import { barShare, columnsOf, defaultSort, orderRows, parseSort, printSort, toCsv, type Column, type Sort } from "../model/table";
import { copyText, el, fill, frameGate, icon, onResize, saveFile } from "../widgets/dom";
import { stateCard, toast } from "../widgets/notice";
import type { Actions, Shared, View } from "./view";

const ROW_PX = 28;
const SPARE_ROWS = 6;
const NARROW_PX = 560;
const WIDTHS: Record<string, string> = {
  name: "minmax(190px, 2fr)",
  file: "minmax(120px, 1fr)",
  self_share: "70px",
  total_share: "70px",
  samples_self: "118px",
  ncalls: "132px",
};
const SHADES = 4;

/** Every function, any order; only the rows in sight exist. */
export class TableView implements View {
  readonly element = el("div", { class: "view table" });
  private readonly scroller = el("div", { class: "table-view", tabindex: 0, "aria-label": "Functions; arrow keys choose a row, Enter shows its callers" });
  private readonly grid = el("div", { class: "grid", role: "table", "aria-label": "Functions" });
  private readonly head = el("div", { class: "row head", role: "row" });
  private readonly rows = el("div", { class: "rows", role: "rowgroup" });
  private readonly count = el("span", { class: "number" });
  private readonly message = el("div", { class: "stage", hidden: true });
  private readonly abort = new AbortController();
  private shared: Shared | null = null;
  private columns: Column[] = [];
  private order: Uint32Array = new Uint32Array();
  private orderKey = "";
  private headKey = "";
  private lastTable: unknown = null;
  private isNarrow = false;
  private readonly drawSoon = frameGate(() => this.drawRows());

  constructor(private readonly actions: Actions) {
    const copy = el("button", { class: "button quiet", type: "button" }, icon("copy"), "Copy CSV");
    const save = el("button", { class: "button quiet", type: "button" }, icon("download"), "Save CSV");
    copy.addEventListener("click", () => void this.copyCsv());
    save.addEventListener("click", () => this.saveCsv());
    this.grid.append(el("div", { role: "rowgroup" }, this.head), this.rows);
    this.scroller.append(this.grid);
    this.element.append(
      el("div", { class: "view-bar" }, this.count, el("span", { class: "grow" }), copy, save),
      el("div", { class: "stage" }, this.scroller, this.message),
    );
    const { signal } = this.abort;
    this.scroller.addEventListener("scroll", () => this.drawSoon(), { signal, passive: true });
    onResize(this.scroller, signal, (width) => {
      const isNarrow = width < NARROW_PX;
      if (isNarrow !== this.isNarrow) {
        this.isNarrow = isNarrow;
        if (this.shared) this.update(this.shared);
      }
      this.drawSoon();
    });
    this.scroller.addEventListener("keydown", (event) => this.onKey(event), { signal });
    this.rows.addEventListener("click", (event) => {
      const row = rowOf(event.target);
      if (row !== null) this.choose(row);
    }, { signal });
    this.rows.addEventListener("dblclick", (event) => {
      const row = rowOf(event.target);
      const id = row === null ? undefined : this.shared?.table?.columns.id[row];
      if (id !== undefined) actions.change({ sel: id, view: "callers" });
    }, { signal });
    this.rows.addEventListener("contextmenu", (event) => {
      const row = rowOf(event.target);
      const id = row === null ? undefined : this.shared?.table?.columns.id[row];
      if (id === undefined) return;
      event.preventDefault();
      actions.menu(event.clientX, event.clientY, id, null);
    }, { signal });
  }

  update(shared: Shared): void {
    this.shared = shared;
    const { table } = shared;
    this.message.hidden = table !== null && table.columns.id.length > 0;
    this.scroller.hidden = !this.message.hidden;
    if (!table || table.columns.id.length === 0) {
      this.count.textContent = "";
      fill(this.message, emptyCard(shared));
      return;
    }
    const sort = this.sort(shared);
    const key = `${printSort(sort)}\u0000${shared.query.text}`;
    if (key !== this.orderKey || table !== this.lastTable) {
      this.orderKey = key;
      this.lastTable = table;
      this.order = orderRows(table, sort, shared.query);
    }
    const isFiltered = this.order.length !== table.columns.id.length;
    const functions = `${formatCount(table.columns.id.length)} functions`;
    this.count.textContent = isFiltered ? `${formatCount(this.order.length)} of ${functions} match` : functions;
    this.columns = this.isNarrow ? narrowColumns(columnsOf(table)) : columnsOf(table);
    this.updateHead(sort);
    this.rows.style.height = `${this.order.length * ROW_PX}px`;
    this.grid.setAttribute("aria-rowcount", String(this.order.length + 1));
    this.drawSoon();
  }

  destroy(): void {
    this.abort.abort();
  }

  private sort(shared: Shared): Sort {
    const asked = parseSort(shared.state.sort);
    const table = shared.table;
    if (!table) return { key: "self", isDescending: true };
    return asked && columnsOf(table).some((c) => c.key === asked.key) ? asked : defaultSort(table);
  }

  private updateHead(sort: Sort): void {
    const key = `${this.columns.map((c) => c.key).join()} ${printSort(sort)}`;
    if (key === this.headKey) return;
    this.headKey = key;
    const focused = this.head.contains(document.activeElement)
      ? [...this.head.querySelectorAll("button")].indexOf(document.activeElement as HTMLButtonElement)
      : -1;
    this.grid.style.setProperty(
      "--columns",
      this.columns
        .map((c) => ((this.isNarrow && c.key === "name" ? "minmax(0, 1fr)" : WIDTHS[c.key]) ?? "94px"))
        .join(" "),
    );
    fill(
      this.head,
      ...this.columns.map((column) => {
        const isSorted = column.key === sort.key;
        const arrow = isSorted ? (sort.isDescending ? " ▾" : " ▴") : "";
        const button = el("button", { type: "button", title: column.hint }, column.title + arrow);
        button.addEventListener("click", () => {
          const isDescending = isSorted ? !sort.isDescending : !column.isText;
          this.actions.change({ sort: printSort({ key: column.key, isDescending }) });
        });
        return el(
          "div",
          {
            class: column.isText ? "text" : "",
            role: "columnheader",
            "aria-sort": isSorted ? (sort.isDescending ? "descending" : "ascending") : "none",
          },
          button,
        );
      }),
    );
    if (focused >= 0) this.head.querySelectorAll("button")[focused]?.focus();
  }

  private drawRows(): void {
    const shared = this.shared;
    const table = shared?.table;
    if (!shared || !table || this.scroller.hidden) return;
    const top = this.scroller.scrollTop;
    const first = Math.max(0, Math.floor(top / ROW_PX) - SPARE_ROWS);
    const last = Math.min(this.order.length, Math.ceil((top + this.scroller.clientHeight) / ROW_PX) + SPARE_ROWS);
    const made: HTMLElement[] = [];
    for (let at = first; at < last; at++) made.push(this.makeRow(shared, this.order[at] as number, at));
    fill(this.rows, ...made);
  }

  private makeRow(shared: Shared, row: number, at: number): HTMLElement {
    const table = shared.table as NonNullable<Shared["table"]>;
    const id = table.columns.id[row] as number;
    const isSelected = shared.state.sel === id;
    const element = el("div", {
      class: `row${isSelected ? " is-selected" : ""}`,
      role: "row",
      "aria-rowindex": at + 2,
      "data-row": row,
    });
    element.style.top = `${at * ROW_PX}px`;
    for (const column of this.columns) {
      const text = column.isText ? safeName(column.text(row)) : column.text(row);
      const cell = el("div", {
        class: `cell${column.isText ? " text" : ""}${column.key === "name" ? " fn" : column.key === "file" ? " place" : ""}${column.key.endsWith("share") || column.key.startsWith("percall") ? " soft" : ""}`,
        role: "cell",
      });
      if (column.isText) cell.title = safeName(column.key === "file" ? column.raw(row) : text).slice(0, 1000);
      if (column.key === "name") {
        const swatch = el("span", { class: "swatch" });
        swatch.style.background = this.colourOf(shared, row);
        cell.append(swatch);
      }
      cell.append(text.length > 300 ? `${text.slice(0, 150)}…${text.slice(-149)}` : text);
      if (column.isBar) {
        const bar = el("div", { class: "barfill" });
        bar.style.width = `calc(${barShare(table, column.key, row) * 100}% * 0.92)`;
        cell.append(bar);
      }
      element.append(cell);
    }
    return element;
  }

  private colourOf(shared: Shared, row: number): string {
    const c = (shared.table as NonNullable<Shared["table"]>).columns;
    const slot =
      shared.state.colour === "kind"
        ? SLOT_KINDS + Math.min(c.kind[row] ?? 0, KINDS.length - 1)
        : shared.colours.slotOf(
            packageOf({ file: c.file[row] ?? "", module: c.module[row] ?? "", kind: c.kind[row] ?? 0 }),
          );
    return cssOf(pixel(shared.tokens.slots[slot * SHADES] ?? [0, 0, 0]));
  }

  private choose(row: number): void {
    this.actions.select(this.shared?.table?.columns.id[row] ?? null);
  }

  private onKey(event: KeyboardEvent): void {
    const { shared } = this;
    const ids = shared?.table?.columns.id;
    if (!shared || !ids || !this.order.length || (event.target as HTMLElement).tagName === "BUTTON") return;
    const now = this.order.findIndex((row) => ids[row] === shared.state.sel);
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / ROW_PX) - 2);
    const to: Record<string, number> = {
      ArrowDown: now + 1,
      ArrowUp: now < 0 ? 0 : now - 1,
      PageDown: now + page,
      PageUp: now - page,
      Home: 0,
      End: this.order.length - 1,
    };
    if (event.key === "Enter" && now >= 0) {
      this.actions.change({ view: "callers" });
    } else if (event.key in to) {
      const at = Math.min(this.order.length - 1, Math.max(0, to[event.key] as number));
      const top = at * ROW_PX;
      const room = this.scroller.clientHeight - ROW_PX - 34;
      if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
      else if (top > this.scroller.scrollTop + room) this.scroller.scrollTop = top - room;
      this.choose(this.order[at] as number);
    } else {
      return;
    }
    event.preventDefault();
  }

  private async copyCsv(): Promise<void> {
    const table = this.shared?.table;
    if (!table) return;
    const isDone = await copyText(toCsv(table, this.order));
    toast(isDone ? `Copied ${formatCount(this.order.length)} rows` : "The browser did not allow copying");
  }

  private saveCsv(): void {
    const table = this.shared?.table;
    if (table) saveFile(`${this.shared?.profile.id ?? "table"}.csv`, new Blob([toCsv(table, this.order)], { type: "text/csv" }));
  }
}

/** On a phone the name comes first, and two numbers. */
function narrowColumns(columns: readonly Column[]): Column[] {
  const order = ["name", "self", "tottime", "total", "cumtime"];
  return columns
    .filter((c) => order.includes(c.key))
    .sort((a, b) => order.indexOf(a.key) - order.indexOf(b.key));
}

function rowOf(target: EventTarget | null): number | null {
  const element = target instanceof Element ? target.closest<HTMLElement>("[data-row]") : null;
  return element ? Number(element.dataset["row"]) : null;
}

function emptyCard(shared: Shared): HTMLElement {
  if (shared.problem) return stateCard("bad", "The table could not be read", shared.problem);
  if (!shared.table) return stateCard("loading", "Loading the functions");
  if (shared.profile.state === "live") return stateCard("loading", "Waiting for the first samples");
  const why = shared.profile.notices.find((n) => n.code === "no_stacks");
  return stateCard("empty", "No functions here", why?.text ?? "No sample matches the window and filters above.");
}
