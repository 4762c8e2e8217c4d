import type { MemoryAnswer } from "../api/types";
import { safeName } from "../canvas/text";
import { formatBytes, formatCount, formatPercent, formatPlace } from "../model/format";
import { hasHeap, measureOf } from "../model/memory";
import { MEASURES, type Measure, type ViewState } from "../state/url";
import { el, fill } from "../widgets/dom";
import { segments, type Segments } from "../widgets/segments";
import { momentTime } from "./series_plot";
import type { Actions, Shared } from "./view";

type Shown = Exclude<Measure, "">;

const TITLES: Record<Shown, [label: string, meaning: string]> = {
  in_use: ["In use", "Alive at the end of the window, whenever it was allocated"],
  leaked: ["Leaked", "Allocated in the window and still alive at its end"],
  allocated: ["Allocated", "Everything allocated in the window, freed again or not"],
  freed: ["Freed", "Freed in the window, by where it had been allocated"],
  peak: ["At the peak", "Alive at the moment of the window when most was"],
  temporary: ["Temporary", "Freed before more than one other allocation came in between"],
  short: ["Short-lived", "Freed within 100 ms of its allocation, known to a tick of 100 ms"],
  grown: ["Change", "Alive at B less alive at A"],
};
const DOMAINS: [key: string, label: string, meaning: string][] = [
  ["object", "Python objects", "What Python code and extensions ask Python's allocator for"],
  ["malloc", "malloc", "The rest of the heap: C and C++ libraries, NumPy's data"],
  ["mmap", "mmap", "Anonymous mappings, in whole pages"],
];
const FEW_ROWS = 25;
const NAME_MOST = 120;

/** Who has the memory: ranked by place, for a window, a moment or between two moments. */
export class MemoryPlaces {
  readonly element = el("section", { class: "memory-places", "aria-label": "Who has the memory", hidden: true });
  private readonly title = el("h2", { "aria-live": "polite" });
  private readonly moments = el("div", { class: "links" });
  private readonly measures: Segments<Shown>;
  private readonly by: Segments<ViewState["by"]>;
  private readonly pictures = el("div", { class: "links" });
  private readonly filters = el("div", { class: "memory-filters" });
  private readonly list = el("div", { class: "memory-list" });
  private readonly more = el("button", { class: "button", type: "button", hidden: true });
  private isAll = false;
  private keys = { head: "", filters: "", list: "" };
  private listed: MemoryAnswer | null = null;
  private shared: Shared | null = null;

  constructor(private readonly actions: Actions) {
    this.measures = segments(
      "Which memory",
      MEASURES.map((value) => ({ value, label: TITLES[value][0], title: TITLES[value][1] })),
      (measure) => actions.change({ measure }),
    );
    this.by = segments(
      "By what",
      [
        { value: "line", label: "Line", title: "The line that allocated it" },
        { value: "function", label: "Function", title: "The function that allocated it" },
        { value: "stack", label: "Stack", title: "Each way to get there by itself" },
      ],
      (by) => actions.change({ by }),
    );
    this.more.addEventListener("click", () => {
      this.isAll = !this.isAll;
      this.keys.list = "";
      if (this.shared) this.update(this.shared);
    });
    this.element.append(
      el("div", { class: "places-head" }, this.title, el("div", { class: "links" }, this.moments, this.pictures)),
      el("div", { class: "places-tools" }, this.measures.element, this.by.element, this.filters),
      this.list,
      this.more,
    );
  }

  update(shared: Shared): void {
    this.shared = shared;
    this.element.hidden = !hasHeap(shared.profile);
    if (this.element.hidden) return;
    const { state, memory } = shared;
    const measure = measureOf(state, shared.profile);
    this.measures.set(measure);
    this.by.set(state.by);
    for (const [i, button] of [...this.measures.element.querySelectorAll("button")].entries()) {
      const value = MEASURES[i];
      button.hidden = value === "grown" && state.base === null;
      const isUnknown = value === "temporary" && memory !== null && memory.every_bytes > 0;
      button.disabled = isUnknown;
      button.title = isUnknown ? "Not known in sampled mode: a sample does not tell what came in between (--memory exact)" : TITLES[value ?? "in_use"][1];
    }
    this.updateHead(shared, measure);
    this.updateFilters(shared);
    this.updateList(shared, measure);
  }

  private updateHead(shared: Shared, measure: Shown): void {
    const { state, memory, profile } = shared;
    const key = JSON.stringify([memory?.totals, memory?.every_bytes, measure, state.at, state.base, state.from, state.to, profile.duration_s, profile.state]);
    if (key === this.keys.head) return;
    this.keys.head = key;
    fill(this.title, ...sentence(shared, measure));
    const button = (label: string, title: string, run: () => void) => {
      const it = el("button", { class: "button", type: "button", title }, label);
      it.addEventListener("click", run);
      return it;
    };
    const focused = (document.activeElement as HTMLElement | null)?.textContent ?? "";
    const hadFocus = this.moments.contains(document.activeElement);
    const { at, base } = state;
    const end = at ?? state.to ?? profile.duration_s;
    fill(
      this.moments,
      base === null
        ? button("Compare from here", "Keep this moment as A; then click another one", () => this.actions.change({ base: end, measure: "" }))
        : button("End comparison", "Esc", () => this.actions.change({ base: null, measure: "" })),
      base !== null && at !== null ? button("Swap A and B", "", () => this.actions.change({ at: base, base: at })) : null,
      at !== null ? button("Leave the moment", "Esc", () => this.actions.change({ at: null })) : null,
    );
    if (hadFocus) [...this.moments.querySelectorAll("button")].find((b) => b.textContent === focused)?.focus();
    const value = profile.values.find((v) => v.set === "heap" && v.name === (measure === "grown" ? "leaked" : measure === "short" ? "freed" : measure));
    const open = (view: ViewState["view"]) => () => {
      if (!value) return;
      const isDiff = measure === "grown" && base !== null && base < end;
      this.actions.change({ view, value: value.key, root: [], ...(isDiff ? { from: base } : {}) });
    };
    const what = measure === "grown" ? "what came since A and is alive at B" : measure === "short" ? "freed, however long it lived" : TITLES[measure][0].toLowerCase();
    fill(
      this.pictures,
      ...(value
        ? ([["Flame", "flame"], ["Sunburst", "sunburst"], ["Table", "table"]] as const).map(([label, view]) => button(label, `${label}: ${what}`, open(view)))
        : []),
    );
  }

  /** Processes, threads and allocators, where there is more than one. */
  private updateFilters(shared: Shared): void {
    const { state, profile } = shared;
    const key = JSON.stringify([state.domains, state.processes, state.threads, profile.processes.length, profile.threads.length]);
    if (key === this.keys.filters) return;
    this.keys.filters = key;
    const focused = (document.activeElement as HTMLElement | null)?.dataset["filter"];
    const choice = (name: string, all: string, items: [number, string][], chosen: readonly number[], put: (ids: number[]) => void) => {
      if (items.length < 2) return null;
      const select = el("select", { class: "field", "aria-label": name, "data-filter": name }, el("option", { value: "" }, all));
      for (const [id, label] of items.slice(0, 500)) {
        const option = el("option", { value: id }, safeName(label).slice(0, 60));
        option.selected = chosen.length === 1 && chosen[0] === id;
        select.append(option);
      }
      select.addEventListener("change", () => put(select.value === "" ? [] : [Number(select.value)]));
      return select;
    };
    const processes: [number, string][] = profile.processes.map((p) => [p.index, `${p.pid} ${p.command}`]);
    const threads: [number, string][] = profile.threads.map((t) => [t.index, t.name || String(t.tid)]);
    fill(
      this.filters,
      ...DOMAINS.map(([id, label, title]) => {
        const input = el("input", { type: "checkbox", "data-filter": id });
        input.checked = state.domains.length === 0 || state.domains.includes(id);
        input.addEventListener("change", () => {
          const on = DOMAINS.map((d) => d[0]).filter((d) => (d === id ? input.checked : state.domains.length === 0 || state.domains.includes(d)));
          this.actions.change({ domains: on.length === DOMAINS.length ? [] : on.length ? on : state.domains });
          this.keys.filters = "";
        });
        return el("label", { title }, input, label);
      }),
      choice("Process", "All processes", processes, state.processes, (ids) => this.actions.change({ processes: ids })),
      choice("Thread", "All threads", threads, state.threads, (ids) => this.actions.change({ threads: ids })),
    );
    if (focused) this.filters.querySelector<HTMLElement>(`[data-filter="${CSS.escape(focused)}"]`)?.focus();
  }

  private updateList(shared: Shared, measure: Shown): void {
    const { memory, state } = shared;
    if (!memory || !Array.isArray(memory.columns[measure])) {
      this.keys.list = "";
      this.more.hidden = true;
      fill(this.list, el("p", { class: "hint" }, memory || shared.problem ? "Not known for this profile." : "Adding up the allocations…"));
      return;
    }
    const key = JSON.stringify([measure, state.sel, this.isAll]);
    if (key === this.keys.list && memory === this.listed) return;
    this.keys.list = key;
    this.listed = memory;
    const rows = rowsOf(memory, measure, this.isAll ? Infinity : FEW_ROWS);
    if (!rows.length) {
      this.more.hidden = true;
      fill(this.list, el("p", { class: "hint" }, measure === "grown" ? "Nothing changed between the two." : "Nothing of this kind."));
      return;
    }
    const focused = (document.activeElement as HTMLElement | null)?.dataset["row"];
    fill(this.list, this.tableOf(shared, memory, measure, rows));
    if (focused) this.list.querySelector<HTMLElement>(`[data-row="${focused}"]`)?.focus();
    const known = rowsOf(memory, measure, Infinity).length;
    this.more.hidden = known <= FEW_ROWS;
    this.more.textContent = this.isAll ? `Only the first ${FEW_ROWS}` : memory.places > memory.columns.id.length ? `The first ${known} of ${formatCount(memory.places)}` : `All ${known}`;
  }

  private tableOf(shared: Shared, memory: MemoryAnswer, measure: Shown, rows: number[]): HTMLElement {
    const { columns } = memory;
    const bytes = columns[measure] as number[];
    const counts = columns[`${measure}_count`] as number[] | undefined;
    const errors = columns[`${measure}_error`] as number[] | undefined;
    const isDiff = measure === "grown";
    const total = memory.totals[measure] ?? 0;
    const most = Math.max(...rows.map((i) => Math.abs(bytes[i] ?? 0)), 1);
    const head = el("tr");
    const titles = [isDiff ? "change" : "bytes", ...(errors ? ["±"] : []), ...(counts ? ["blocks"] : []), ...(isDiff ? ["at A", "at B"] : ["share"]), state(memory.by)];
    for (const title of titles) head.append(el("th", { scope: "col", class: title === state(memory.by) ? "" : "number", title: title === "±" ? "Standard error of the estimate" : "" }, title));
    const body = el("tbody");
    for (const i of rows) {
      const amount = bytes[i] ?? 0;
      const bar = el("span", { class: `part${amount < 0 ? " is-less" : ""}` });
      bar.style.width = `${(100 * Math.abs(amount)) / most}%`;
      const id = columns.id[i] ?? 0;
      const name = el("button", { class: "plain fn", type: "button", "data-row": i, title: "Choose this function; right-click for more" }, safeName(columns.name[i] ?? "").slice(0, NAME_MOST));
      name.addEventListener("click", () => this.actions.select(id));
      const row = el(
        "tr",
        { class: shared.state.sel === id ? "is-chosen" : "" },
        el("td", { class: "number amount" }, bar, el("b", {}, (isDiff && amount > 0 ? "+" : "") + formatBytes(amount))),
        errors ? el("td", { class: "number soft", "data-label": "±" }, formatBytes(errors[i] ?? 0)) : null,
        counts ? el("td", { class: "number soft", "data-label": "#" }, signed(counts[i] ?? 0, isDiff)) : null,
        ...(isDiff
          ? [el("td", { class: "number soft", "data-label": "A" }, formatBytes((columns["base"] as number[])[i] ?? 0)), el("td", { class: "number soft", "data-label": "B" }, formatBytes((columns["in_use"] as number[])[i] ?? 0))]
          : [el("td", { class: "number soft" }, total > 0 ? formatPercent(amount / total) : "–")]),
        el(
          "td",
          { class: "place" },
          name,
          " ",
          el("span", { class: "file", title: safeName(columns.file[i] ?? "").slice(0, 500) }, safeName(formatPlace(columns.file[i] ?? "", columns.line[i] ?? 0))),
          columns.callers[i]?.length ? el("span", { class: "soft" }, ` ← ${columns.callers[i].map((c) => safeName(c).slice(0, 40)).join(" ← ")}`) : null,
        ),
      );
      row.addEventListener("contextmenu", (event) => {
        event.preventDefault();
        this.actions.menu(event.clientX, event.clientY, id, null);
      });
      body.append(row);
    }
    return el("table", {}, el("caption", { class: "unseen" }, `${TITLES[measure][0]} by ${memory.by}`), el("thead", {}, head), body);
  }
}

function signed(count: number, isChange: boolean): string {
  return (count < 0 ? "−" : isChange && count > 0 ? "+" : "") + formatCount(Math.abs(count));
}

function state(by: string): string {
  return by === "stack" ? "stack, its end" : by;
}

/** Positions of what there is to see, the largest first: the answer may still be in another order. */
function rowsOf(memory: MemoryAnswer, measure: Shown, most: number): number[] {
  const bytes = memory.columns[measure] as number[];
  const rows: number[] = [];
  for (let i = 0; i < bytes.length; i++)
    if ((bytes[i] ?? 0) > 0 || (measure === "grown" && bytes[i] !== 0)) rows.push(i);
  const size = (i: number) => Math.abs(bytes[i] ?? 0);
  return rows.sort((a, b) => size(b) - size(a) || a - b).slice(0, most);
}

/** "Alive at 12.3 s: 35.2 MiB in 1 234 blocks ± 2 MiB". */
function sentence({ state: view, memory, profile }: Shared, measure: Shown): (string | HTMLElement)[] {
  const all = profile.duration_s;
  const when = (s: number) => momentTime(s, all);
  const end = view.at ?? view.to;
  const isLive = profile.state === "live";
  const ending = end !== null ? `at ${when(end)}` : isLive ? "now" : "at the end";
  const from = view.from !== null && (end === null || view.from < end) ? view.from : null;
  const during = from !== null || end !== null ? `from ${when(from ?? 0)} to ${end !== null ? when(end) : isLive ? "now" : "the end"}` : isLive ? "so far" : "in the whole run";
  const words: Record<Shown, string> = {
    in_use: `Alive ${ending}`,
    leaked: `Allocated ${during} and alive then`,
    allocated: `Allocated ${during}`,
    freed: `Freed ${during}`,
    peak: memory?.peak_s !== null && memory ? `Alive at the peak (${when(memory.peak_s)})` : "Alive at the peak",
    temporary: `Temporary ${during}`,
    short: `Freed within 100 ms, ${during}`,
    grown: `Change from ${when(view.base ?? 0)} (A) to ${end !== null ? when(end) : isLive ? "now" : "the end"} (B)`,
  };
  const bytes = memory?.totals[measure];
  if (bytes === undefined) return [words[measure]];
  const count = memory?.totals[`${measure}_count`];
  const error = memory?.totals[`${measure}_error`];
  return [
    `${words[measure]}: `,
    el("b", {}, (measure === "grown" && bytes > 0 ? "+" : "") + formatBytes(bytes) + (error ? ` ± ${formatBytes(error)}` : "")),
    count === undefined ? " " : ` in ${signed(count, measure === "grown")} blocks `,
    memory?.every_bytes
      ? el("span", { class: "chip", title: `Estimated from one sample each ${formatBytes(memory.every_bytes)} on average; ± is the standard error. --memory exact counts every allocation.` }, `sampled, one each ${formatBytes(memory.every_bytes)}`)
      : el("span", { class: "chip", title: "Every allocation was followed" }, "exact"),
  ];
}
