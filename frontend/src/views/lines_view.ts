import type { LineRange, LineRow } from "../api/types";
import { safeName } from "../canvas/text";
import { formatAmount, formatBytes, formatCount, formatSeconds } from "../model/format";
import { partsOf, rangeTitle } from "../model/line_parts";
import { el, fill } from "../widgets/dom";
import { stateCard } from "../widgets/notice";
import { sharedLink } from "../state/link";
import type { Actions, Shared, View } from "./view";

interface LineColumn {
  title: string;
  get(row: LineRow): number | undefined;
  /** Of an expression of the line, where that is known. */
  ofRange?(range: LineRange): number;
  text(value: number): string;
}

/** The code with what each line cost beside it; the numbers alone when the code is not here. */
export class LinesView implements View {
  readonly element = el("div", { class: "view" });
  private readonly title = el("div", { class: "view-bar" });
  private readonly body = el("div", { class: "lines-view", tabindex: 0, "aria-label": "Lines of the chosen function" });
  private readonly message = el("div", { class: "stage", hidden: true });
  private last: unknown = null;
  private lastTitle = "";

  constructor(private readonly actions: Actions) {
    this.element.append(this.title, el("div", { class: "stage" }, this.body, this.message));
  }

  update(shared: Shared): void {
    const { lines, state } = shared;
    const isReady = lines !== null && lines.fn === state.sel && (lines.rows.length > 0 || lines.source !== null);
    this.message.hidden = isReady;
    this.body.hidden = !isReady;
    this.title.hidden = !isReady;
    if (!isReady || !lines) {
      fill(
        this.message,
        state.sel === null
          ? stateCard("empty", "Choose a function", "Its lines are shown here with what each of them cost.")
          : shared.problem
            ? stateCard("bad", "The lines could not be read", shared.problem)
            : lines !== null && lines.fn === state.sel
              ? stateCard("empty", "No lines for this function", "The profile does not say which of its lines ran.")
              : stateCard("loading", "Loading the lines"),
      );
      return;
    }
    const isNew = this.showTitle(lines.fn, lines.source?.file ?? null, shared);
    if (lines === this.last) return;
    this.last = lines;
    const unit = shared.flame?.flame.head.unit ?? shared.profile.values[0]?.unit ?? "";
    const columns = columnsOf(lines.rows, unit);
    const byLine = new Map(lines.rows.map((r) => [r.line, r]));
    // With what it calls: that is what a line costs.
    const main = columns.find((c) => c.title === "Total") ?? columns[0];
    const most = main ? Math.max(...lines.rows.map((r) => main.get(r) ?? 0), 0) : 0;
    const head = el("tr");
    for (const column of columns) head.append(el("th", { scope: "col" }, column.title));
    head.append(el("th", { scope: "col" }, "Line"), el("th", { scope: "col" }, lines.source ? "Code" : "Code is not stored with this profile"));
    const rows = el("tbody");
    const text = lines.source?.text.split("\n");
    const numbers = text
      ? text.map((_, i) => (lines.source?.first_line ?? 1) + i)
      : lines.rows.map((r) => r.line).sort((a, b) => a - b);
    for (const number of numbers) {
      const row = byLine.get(number);
      const code = text?.[number - (lines.source?.first_line ?? 1)] ?? null;
      const share = row && main && most > 0 ? (main.get(row) ?? 0) / most : 0;
      const line = el("tr", { class: heatClass(share) });
      for (const column of columns) {
        const value = row ? column.get(row) : undefined;
        line.append(el("td", {}, value === undefined || value === 0 ? "" : column.text(value)));
      }
      line.append(
        el("td", { class: "no" }, String(number)),
        el("td", { class: "code" }, ...codeOf(number, code, row?.ranges ?? [])),
      );
      rows.append(line);
      if (row?.ranges && (row.ranges.length > 1 || code === null)) {
        for (const range of row.ranges) rows.append(rangeRow(number, code, range, columns, most));
      }
    }
    fill(this.body, el("table", {}, el("caption", { class: "unseen" }, "Cost of each line"), el("thead", {}, head), rows));
    // What a live program adds moves nothing under the reader's eyes.
    if (isNew) this.body.querySelector(".heat-4")?.scrollIntoView({ block: "center" });
  }

  /** Made again only when it says something else: a button that is replaced while it is pressed is not pressed. */
  private showTitle(fn: number, sourceFile: string | null, shared: Shared): boolean {
    const canAsk = sourceFile === null && shared.profile.state === "live" && sharedLink() === null;
    const position = shared.flame?.positionOf(fn) ?? -1;
    const file = safeName(sourceFile ?? (position >= 0 ? shared.flame?.file(position) : "") ?? "").slice(0, 400);
    const title = JSON.stringify([fn, file, sourceFile !== null, canAsk, shared.wantedSource === fn]);
    if (title === this.lastTitle) return false;
    this.lastTitle = title;
    fill(this.title, el("span", { class: "mono" }, file), canAsk ? this.askButton(fn, shared) : null);
    return true;
  }

  /** The program's own machine is asked only when somebody wants to see the code: it stays with the profile. */
  private askButton(fn: number, shared: Shared): HTMLElement {
    const isAsked = shared.wantedSource === fn;
    const button = el("button", { class: "button", type: "button", disabled: isAsked ? "" : null, title: "The collector reads the file from the program's machine; it is kept with this profile" }, isAsked ? "Reading the file…" : "Show the code and keep it with the profile");
    button.addEventListener("click", () => this.actions.wantSource(fn));
    return button;
  }

  destroy(): void {
    fill(this.body);
  }
}

function heatClass(share: number): string | null {
  const heat = share > 0.6 ? 4 : share > 0.25 ? 3 : share > 0.06 ? 2 : share > 0.005 ? 1 : 0;
  return heat ? `heat-${heat}` : null;
}

/** The line's text; when only one expression of it ran, that one is marked. */
function codeOf(number: number, code: string | null, ranges: readonly LineRange[]): (Node | string)[] {
  const [only] = ranges;
  if (code === null || !only || ranges.length > 1) return [safeLine(code ?? "")];
  const parts = partsOf(code, number, only);
  return [safeLine(parts.before), el("span", { class: "part" }, safeLine(parts.part)), safeLine(parts.after)];
}

/** One expression of the line above, written where it stands in it, with what it cost. */
function rangeRow(number: number, code: string | null, range: LineRange, columns: readonly LineColumn[], most: number): HTMLElement {
  const parts = code === null ? null : partsOf(code, number, range);
  const row = el("tr", { class: ["range", most > 0 ? heatClass(range.total / most) : null].filter(Boolean).join(" ") });
  for (const column of columns) row.append(el("td", {}, column.ofRange && column.ofRange(range) !== 0 ? column.text(column.ofRange(range)) : ""));
  const blank = parts ? safeLine(parts.before).replace(/[^\t]/gu, " ") : "";
  row.append(
    el("td", { class: "no", title: "Columns of the expression" }, rangeTitle(number, range, parts)),
    el("td", { class: "code" }, blank, parts ? el("span", { class: "part" }, safeLine(parts.part)) : ""),
  );
  return row;
}

/** Tabs stay; what would turn the line around is spelled out. */
function safeLine(text: string): string {
  return text.split("\t").map(safeName).join("\t").slice(0, 2000);
}

function columnsOf(rows: readonly LineRow[], unit: string): LineColumn[] {
  const all: LineColumn[] = [
    { title: "Self", get: (r) => r.self, ofRange: (r) => r.self, text: (v) => formatAmount(v, unit) },
    { title: "Total", get: (r) => r.total, ofRange: (r) => r.total, text: (v) => formatAmount(v, unit) },
    { title: "Hits", get: (r) => r.hits, text: formatCount },
    { title: "Time", get: (r) => r.time_s, text: formatSeconds },
    { title: "Per hit", get: (r) => (r.hits && r.time_s !== undefined ? r.time_s / r.hits : undefined), text: formatSeconds },
    { title: "Memory", get: (r) => r.memory_bytes, text: formatBytes },
    { title: "Increment", get: (r) => r.increment_bytes, text: formatBytes },
  ];
  return all.filter((c) => rows.some((r) => c.get(r) !== undefined && c.get(r) !== null));
}
