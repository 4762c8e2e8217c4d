import { safeName } from "../canvas/text";
import { formatCount, formatPercent } from "../model/format";
import { hasHeap } from "../model/memory";
import { VIEWS, type ViewName } from "../state/url";
import { el, fill, icon } from "../widgets/dom";
import { toast } from "../widgets/notice";
import { momentTime } from "./series_plot";
import type { Actions, Shared, View } from "./view";

const TITLES: Record<ViewName, string> = {
  sunburst: "Sunburst",
  flame: "Flame",
  table: "Table",
  callers: "Callers",
  lines: "Lines",
  memory: "Memory",
  threads: "Threads",
};

const STATE_WORDS: Record<string, string> = {
  oncpu: "on a CPU",
  gil: "with the GIL",
  wantsgil: "waiting for the GIL",
  gc: "in garbage collection",
};

/** Tabs, search, and the filters that are on. */
export class ToolbarView implements View {
  readonly element = el("div", { class: "bar" });
  readonly search = el("input", {
    class: "field",
    type: "search",
    placeholder: "Search names and files",
    "aria-label": "Search names and files, regular expression",
    autocomplete: "off",
    spellcheck: "false",
  });
  private readonly result = el("span", { class: "result", "aria-live": "polite" });
  private readonly tabs = el("div", { class: "tabs", role: "tablist", "aria-label": "Views" });
  private readonly filters = el("div", { class: "filters", role: "group", "aria-label": "Filters" });
  private emptyTabs: Partial<Record<ViewName, string>> = {};
  private filtersKey = "";
  private timer = 0;

  constructor(private readonly actions: Actions) {
    VIEWS.forEach((view, i) => {
      const tab = el(
        "button",
        { type: "button", role: "tab", id: `tab-${view}`, "aria-controls": "view", title: `${TITLES[view]} (${i + 1})`, "data-view": view },
        TITLES[view],
      );
      tab.addEventListener("click", () => {
        const reason = this.emptyTabs[view];
        if (reason) toast(reason);
        else actions.change({ view });
      });
      this.tabs.append(tab);
    });
    this.tabs.addEventListener("keydown", (event) => {
      const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
      if (!step) return;
      const all = [...this.tabs.querySelectorAll<HTMLButtonElement>("button:not([aria-disabled=true])")];
      const next = all[(all.indexOf(document.activeElement as HTMLButtonElement) + step + all.length) % all.length];
      next?.focus();
      next?.click();
      event.preventDefault();
    });
    this.search.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = window.setTimeout(() => actions.change({ q: this.search.value }), 60);
    });
    this.search.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        this.search.value = "";
        actions.change({ q: "" });
        this.search.blur();
        event.stopPropagation();
      } else if (event.key === "Enter") {
        clearTimeout(this.timer);
        actions.change({ q: this.search.value });
      }
    });
    this.element.append(this.tabs, el("div", { class: "search" }, icon("search"), this.search, this.result), this.filters);
  }

  update(shared: Shared): void {
    const { state, coverage, query, flame } = shared;
    this.emptyTabs = emptyTabs(shared);
    for (const [i, tab] of [...this.tabs.querySelectorAll("button")].entries()) {
      const view = VIEWS[i] ?? state.view;
      const reason = this.emptyTabs[view];
      tab.title = reason ?? `${TITLES[view]} (${i + 1})`;
      if (reason) tab.setAttribute("aria-disabled", "true");
      else tab.removeAttribute("aria-disabled");
      const isOn = tab.dataset["view"] === state.view;
      tab.setAttribute("aria-selected", String(isOn));
      tab.tabIndex = isOn ? 0 : -1;
      const wasOn = tab.dataset["on"] === "1";
      tab.dataset["on"] = isOn ? "1" : "0";
      if (isOn && !wasOn) requestAnimationFrame(() => this.bringIntoSight(tab)); // the page is being filled: not measured now
    }
    if (document.activeElement !== this.search && this.search.value !== state.q) this.search.value = state.q;
    if (!query.text || !coverage || !flame || flame.isPreview) {
      fill(this.result);
    } else {
      fill(
        this.result,
        el("b", {}, formatPercent(flame.share(coverage.covered))),
        ` in ${formatCount(coverage.functions)} ${coverage.functions === 1 ? "function" : "functions"}`,
      );
    }
    this.result.title = query.problem ? `Not a regular expression (${query.problem}); searched for as it stands` : "";
    this.updateFilters(shared);
  }

  destroy(): void {
    clearTimeout(this.timer);
  }

  private bringIntoSight(tab: HTMLElement): void {
    if (this.tabs.scrollWidth > this.tabs.clientWidth) tab.scrollIntoView({ block: "nearest", inline: "center" });
  }

  private updateFilters(shared: Shared): void {
    const { state, profile } = shared;
    const chips: [string, () => void][] = [];
    const all = profile.duration_s;
    if (state.from !== null || state.to !== null)
      chips.push([
        `${momentTime(state.from ?? 0, all)} to ${state.to === null ? "end" : momentTime(state.to, all)}`,
        () => this.actions.change({ from: null, to: null }),
      ]);
    for (const thread of state.threads) {
      const info = profile.threads.find((t) => t.index === thread);
      chips.push([`thread ${safeName(info?.name || String(info?.tid ?? thread)).slice(0, 40)}`, () => this.actions.change({ threads: state.threads.filter((t) => t !== thread) })]);
    }
    for (const process of state.processes) {
      const info = profile.processes.find((p) => p.index === process);
      chips.push([`pid ${info?.pid ?? process}`, () => this.actions.change({ processes: state.processes.filter((p) => p !== process) })]);
    }
    for (const one of state.states)
      chips.push([STATE_WORDS[one] ?? one, () => this.actions.change({ states: state.states.filter((s) => s !== one) })]);
    if (state.at !== null && hasHeap(profile))
      chips.push([`memory as of ${momentTime(state.at, all)}`, () => this.actions.change({ at: null })]);
    if (state.base !== null && hasHeap(profile) && state.view === "memory")
      chips.push([`compared with ${momentTime(state.base, all)}`, () => this.actions.change({ base: null, measure: "" })]);
    if (state.domains.length && hasHeap(profile))
      chips.push([`allocator: ${state.domains.join(", ")}`, () => this.actions.change({ domains: [] })]);
    if (state.focus !== null)
      chips.push([`focus: ${nameOf(shared, state.focus)}`, () => this.actions.change({ focus: null, root: [] })]);
    for (const fn of state.hide)
      chips.push([`hidden: ${nameOf(shared, fn)}`, () => this.actions.change({ hide: state.hide.filter((f) => f !== fn), root: [] })]);
    for (const fn of state.hideModules)
      chips.push([`hidden: all of ${groupName("m", fn)}`, () => this.actions.change({ hideModules: state.hideModules.filter((f) => f !== fn), root: [] })]);
    for (const fn of state.hidePackages)
      chips.push([`hidden: package ${groupName("p", fn)}`, () => this.actions.change({ hidePackages: state.hidePackages.filter((f) => f !== fn), root: [] })]);
    if (state.group) chips.push([`a box a ${state.group}`, () => this.actions.change({ group: "", root: [], sel: null })]);
    if (state.collapse) chips.push(["recursion folded", () => this.actions.change({ collapse: false, root: [] })]);
    if (state.invert) chips.push(["inverted", () => this.actions.change({ invert: false, root: [] })]);
    const key = chips.map((c) => c[0]).join("|");
    if (key === this.filtersKey) return;
    this.filtersKey = key;
    fill(
      this.filters,
      ...chips.map(([text, remove]) => {
        const close = el("button", { type: "button", "aria-label": `Remove: ${text}` }, icon("close"));
        close.querySelector("svg")?.setAttribute("width", "12");
        close.addEventListener("click", remove);
        return el("span", { class: "chip filter" }, text, close);
      }),
    );
  }
}

/** Views that this profile has nothing for, and why. */
function emptyTabs({ profile }: Shared): Partial<Record<ViewName, string>> {
  if (profile.state === "live") return {};
  const has = (shape: string) => profile.shapes.includes(shape);
  const empty: Partial<Record<ViewName, string>> = {};
  if (!has("stacks") && !has("call-graph") && !has("lines"))
    for (const view of ["sunburst", "flame", "table", "callers"] as const) empty[view] = "This profile holds no functions.";
  if (!has("stacks") && !has("lines")) empty.lines = "This profile does not say which lines took the time.";
  if (!has("series")) empty.memory = "Memory over time was not recorded in this profile.";
  if (!has("stacks") || profile.threads.length === 0) empty.threads = "Threads over time were not recorded in this profile.";
  return empty;
}

/** The names of functions that a filter has taken out are remembered by the page. */
export const knownNames = new Map<string, string>();

/** A link does not say how a hidden module is called, and it is not in the picture any more. */
function groupName(kind: "m" | "p", id: number): string {
  return safeName(knownNames.get(`${kind}${id}`) ?? `function ${id}'s ${kind === "m" ? "module" : "package"}`).slice(0, 60);
}

function nameOf(shared: Shared, id: number): string {
  const fn = shared.flame?.positionOf(id) ?? -1;
  const name = fn >= 0 && shared.flame ? shared.flame.name(fn) : knownNames.get(`f${id}`);
  return safeName(name ?? `function ${id}`).slice(0, 60);
}
