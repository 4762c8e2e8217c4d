import { ApiError, askDiff, askDiffFlame, serverSource } from "../api/client";
import type { DiffAnswer, DiffRow, Flame, Normalise, Profile } from "../api/types";
import { readTokens } from "../canvas/colours";
import { safeName } from "../canvas/text";
import { diffColours } from "../canvas/diff_colours";
import { rowId, tintRows, verdict } from "../model/diff_model";
import { FlameModel } from "../model/flame_model";
import { formatCount, formatPercent } from "../model/format";
import { compileQuery, coverage, matchFunctions } from "../model/search";
import { valueTitle } from "../model/values";
import { chooseTheme, theme, themeChoice } from "../state/theme";
import { isStep, parseState, printState, type ViewState } from "../state/url";
import { copyText, el, fill, frameGate, icon } from "../widgets/dom";
import { openMenu } from "../widgets/menu";
import { stateCard, toast } from "../widgets/notice";
import { segments } from "../widgets/segments";
import { hideTooltip } from "../widgets/tooltip";
import { DiffDetail } from "./diff_detail";
import { DiffTable } from "./diff_table";
import { FlameView } from "./flame_view";
import { logo, themeSwitch } from "./header_view";
import { showHelp } from "./help";
import { isOtherTree } from "./picture_controls";
import { pickProfile } from "./profile_picker";
import { newShared } from "./shared_state";
import { SLOT_TOKENS } from "./slots";
import { SunburstView } from "./sunburst_view";
import type { Actions, Shared, View } from "./view";

type CompareView = "table" | "flame" | "sunburst";
const VIEWS: { value: CompareView; label: string; title: string }[] = [
  { value: "table", label: "Table", title: "Every function, regressions first (1)" },
  { value: "flame", label: "Flame", title: "Both laid over each other (2)" },
  { value: "sunburst", label: "Sunburst", title: "The same as a circle (3)" },
];
const NORMALISE: { value: Normalise; label: string; title: string }[] = [
  { value: "none", label: "as they are", title: "The same work done twice" },
  { value: "total", label: "shares", title: "B is scaled to A's total: another length of time, other work" },
  { value: "ncalls", label: "per call", title: "Time per call: call graphs only" },
];

/** Two profiles beside each other: what grew, what shrank, what is new. */
class ComparePage {
  private readonly shared: Shared;
  private answer: DiffAnswer | null = null;
  private whole: Flame | null = null;
  private readonly problems = { table: "", flame: "" };
  private keys = { table: "", flame: "", tint: [] as unknown[] };
  private abort: Record<"table" | "flame", AbortController | null> = { table: null, flame: null };
  private made: { name: "flame" | "sunburst"; view: View } | null = null;
  private readonly table: DiffTable;
  private readonly detail: DiffDetail;
  private readonly panel = el("section", { class: "panel main", id: "view", "aria-label": "Comparison" });
  private readonly sentence = el("p", { class: "verdict", role: "status" });
  private readonly search = el("input", { class: "field", type: "search", placeholder: "Search names and files", "aria-label": "Search names and files, regular expression", autocomplete: "off", spellcheck: "false" });
  private readonly result = el("span", { class: "result", "aria-live": "polite" });
  private readonly values = el("select", { class: "field", "aria-label": "Value" });
  private readonly views = segments<CompareView>("Views", VIEWS, (view) => this.change({ view }));
  private readonly normalise = segments<Normalise>("Comparable by", NORMALISE, (normalise) => this.change({ normalise, root: [] }));
  private readonly renderSoon = frameGate(() => this.render());
  private readonly actions: Actions = {
    change: (patch) => this.change(patch),
    select: (sel) => this.change({ sel }),
    zoom: (path) => this.change({ root: path, sel: path[path.length - 1] ?? this.shared.state.sel }),
    menu: (x, y, fn, path) => this.menu(x, y, fn, path),
    pinNote: () => undefined, // notes belong to one profile
    removeNote: () => undefined,
    wantSource: () => undefined, // no view of a comparison shows code
  };

  constructor(
    private readonly base: Profile,
    private readonly target: Profile,
  ) {
    const state = stateOf();
    if (state.theme) themeChoice.set(state.theme);
    this.shared = { ...newShared(state, target), isCompared: true };
    this.table = new DiffTable({
      select: (sel) => this.change({ sel }),
      sort: (sort) => this.change({ sort }),
      menu: (x, y, row) => this.menu(x, y, rowId(row), null),
    });
    this.detail = new DiffDetail(base, target, (patch) => this.change(patch));
    this.build();
    this.listen();
    this.renderSoon();
    this.reload();
  }

  private build(): void {
    const name = (p: Profile) => safeName(p.name || p.id);
    document.title = `${name(this.base)} and ${name(this.target)} · Heliograph`;
    const side = (letter: "A" | "B", p: Profile) => {
      const choose = el("button", { class: "button quiet", type: "button", title: `Another profile as ${letter}` }, "Change");
      choose.addEventListener("click", () => void this.pick(letter));
      return el("span", { class: `side side-${letter.toLowerCase()}` }, el("b", { class: "letter" }, letter), el("a", { href: `/p/${encodeURIComponent(p.id)}` }, name(p).slice(0, 80)), choose);
    };
    const swap = el("button", { class: "button quiet icon", type: "button", title: "Swap A and B", "aria-label": "Swap A and B" }, icon("swap"));
    swap.addEventListener("click", () => location.assign(`/d/${this.target.id}..${this.base.id}${location.hash}`));
    const share = el("button", { class: "button", type: "button", title: "Copy a link to exactly this view", "aria-label": "Share: copy a link to exactly this view" }, icon("share"), el("span", { class: "text" }, "Share"));
    share.addEventListener("click", () => void copyText(location.href).then(() => toast("Link copied: it opens exactly this view")));
    const help = el("button", { class: "button quiet icon", type: "button", title: "Keys and help (?)", "aria-label": "Keys and help" }, icon("help"));
    help.addEventListener("click", showHelp);
    this.fillValues();
    const page = el(
      "main",
      { class: "profile-page compare-page" },
      el(
        "header",
        {},
        el(
          "div",
          { class: "top" },
          logo(),
          el("div", { class: "words" }, el("h1", { class: "sides" }, side("A", this.base), swap, side("B", this.target)), this.sentence),
          el("div", { class: "actions" }, share, themeSwitch(new AbortController().signal, () => this.change({ theme: null })), help),
        ),
        el("div", { class: "facts" }, this.values, el("span", { class: "key" }, "compared"), this.normalise.element),
      ),
      el("div", { class: "bar" }, this.views.element, el("div", { class: "search" }, icon("search"), this.search, this.result)),
      el("div", { class: "body" }, this.panel, this.detail.element),
    );
    fill(document.body, el("a", { class: "skip", href: "#view" }, "Skip to the comparison"), page);
  }

  /** The values that both have; with one there is nothing to choose. */
  private fillValues(): void {
    const both = this.base.values.filter((v) => this.target.values.some((w) => w.key === v.key));
    for (const v of both) this.values.append(el("option", { value: v.key }, safeName(valueTitle(v, both)).slice(0, 40)));
    this.values.hidden = both.length < 2;
    this.values.addEventListener("change", () => this.change({ value: this.values.value === both[0]?.key ? "" : this.values.value, root: [] }));
  }

  private async pick(letter: "A" | "B"): Promise<void> {
    const row = await pickProfile(`Compare with which profile? (${letter})`, letter === "A" ? this.base.id : this.target.id);
    if (!row) return;
    const [a, b] = letter === "A" ? [row.id, this.target.id] : [this.base.id, row.id];
    location.assign(`/d/${a}..${b}${location.hash}`);
  }

  private change(patch: Partial<ViewState>): void {
    const before = this.shared.state;
    const next = { ...before, ...patch };
    if (isOtherTree(before, next) || next.value !== before.value) next.root = patch.root ?? [];
    this.shared.state = next;
    const address = printState(next);
    if (address !== printState(before))
      history[isStep(patch) ? "pushState" : "replaceState"](null, "", `${location.pathname}#${address}`);
    this.renderSoon();
    this.reload();
  }

  private reload(): void {
    const { value, normalise, invert } = this.shared.state;
    this.ask("table", `${value}/${normalise}`, async (signal) => {
      this.answer = await askDiff(this.base.id, this.target.id, value, normalise, signal);
    });
    if (this.viewName() !== "table")
      this.ask("flame", `${value}/${normalise}/${invert}`, async (signal) => {
        this.whole = await askDiffFlame(this.base.id, this.target.id, value, normalise, invert, signal);
      });
  }

  private ask(what: "table" | "flame", key: string, run: (signal: AbortSignal) => Promise<void>): void {
    if (this.keys[what] === key) return;
    this.keys[what] = key;
    this.abort[what]?.abort();
    const abort = new AbortController();
    this.abort[what] = abort;
    this.problems[what] = "";
    run(abort.signal)
      .catch((cause: unknown) => {
        if (abort.signal.aborted) return;
        this.problems[what] = cause instanceof Error ? cause.message : "no answer";
        if (what === "table") this.answer = null;
        else this.whole = null;
      })
      .finally(() => {
        if (!abort.signal.aborted) this.renderSoon();
      });
  }

  private viewName(): CompareView {
    const { view } = this.shared.state;
    return view === "flame" || view === "sunburst" ? view : "table";
  }

  private render(): void {
    const { shared, answer } = this;
    const { state } = shared;
    const name = this.viewName();
    if (shared.query.text !== state.q) shared.query = compileQuery(state.q);
    this.views.set(name);
    this.normalise.set(state.normalise);
    this.values.value = state.value || (this.values.options[0]?.value ?? "");
    if (document.activeElement !== this.search && this.search.value !== state.q) this.search.value = state.q;
    this.sentence.textContent = this.base.id === this.target.id ? "These are the same profile." : answer ? safeName(verdict(answer)) : this.problems.table ? "" : "Comparing…";
    this.updateFlame();
    this.updateResult();
    this.show(name);
    this.detail.update(answer, state.sel, state.root.length > 0 ? shared.flame : null, state);
  }

  private updateFlame(): void {
    const { shared, whole } = this;
    const tintKey = [whole, shared.state.q, theme.get()];
    if (tintKey.every((k, i) => k === this.keys.tint[i]) && this.keys.tint.length) return;
    if (this.keys.tint[2] !== theme.get()) shared.tokens = readTokens(SLOT_TOKENS);
    this.keys.tint = tintKey;
    shared.boxColours = diffColours(shared.tokens);
    shared.hits = whole ? matchFunctions(whole, shared.query) : null;
    shared.coverage = whole && shared.hits ? coverage(whole.rows.slice(1), shared.hits) : null;
    shared.flame = whole ? new FlameModel({ head: whole.head, rows: tintRows(whole, shared.hits) }) : null;
  }

  private updateResult(): void {
    const { shared } = this;
    const { flame, coverage: covered } = shared;
    fill(
      this.result,
      ...(flame && covered && this.viewName() !== "table"
        ? [el("b", {}, formatPercent(flame.share(covered.covered))), ` in ${formatCount(covered.functions)} functions`]
        : []),
    );
  }

  private show(name: CompareView): void {
    const { shared, answer } = this;
    const problem = this.problems[name === "table" ? "table" : "flame"];
    if (problem || (name === "table" && !answer)) {
      this.drop();
      fill(this.panel, problem ? this.refusal(problem) : stateCard("loading", "Comparing the two"));
      return;
    }
    if (name === "table" && answer) {
      this.drop();
      if (this.panel.firstElementChild !== this.table.element) fill(this.panel, this.table.element);
      this.table.update(answer, shared.query, shared.state.sort, shared.state.sel);
      return;
    }
    if (name !== "table" && this.made?.name !== name) {
      this.drop();
      const view = name === "flame" ? new FlameView(this.actions) : new SunburstView(this.actions);
      this.made = { name, view };
    }
    if (this.made && this.panel.firstElementChild !== this.made.view.element) fill(this.panel, this.made.view.element);
    this.made?.view.update({ ...shared });
  }

  private drop(): void {
    this.made?.view.destroy();
    this.made = null;
    hideTooltip();
  }

  /** What was refused, and the way that would work. */
  private refusal(words: string): HTMLElement {
    const { normalise } = this.shared.state;
    const offers: HTMLElement[] = [];
    const offer = (other: Normalise, label: string) => {
      const button = el("button", { class: "button main", type: "button" }, label);
      button.addEventListener("click", () => this.change({ normalise: other }));
      offers.push(button);
    };
    if (normalise !== "total" && /shares|normalise by total/.test(words)) offer("total", "Compare their shares");
    if (normalise === "ncalls") offer("none", "Compare them as they are");
    const again = el("button", { class: "button", type: "button" }, "Another profile");
    again.addEventListener("click", () => void this.pick("B"));
    return stateCard("bad", "These two do not compare", words, el("p", { class: "detail-buttons" }, ...offers, " ", again));
  }

  private rowOf(id: number): DiffRow | undefined {
    return this.answer?.functions.find((row) => rowId(row) === id);
  }

  private menu(x: number, y: number, fn: number, path: number[] | null): void {
    const row = this.rowOf(fn);
    const name = row?.name ?? this.shared.flame?.name(this.shared.flame.positionOf(fn)) ?? "";
    const openIn = (p: Profile, id: number | undefined, label: string) =>
      id === undefined ? [] : [{ label, run: () => location.assign(`/p/${encodeURIComponent(p.id)}#view=callers&sel=${id}`) }];
    openMenu(x, y, safeName(name).slice(0, 120), [
      ...(path?.length ? [{ label: "Zoom here", key: "↵", run: () => this.actions.zoom(path) }] : []),
      ...openIn(this.base, row?.base_id, "Open in A"),
      ...openIn(this.target, row?.target_id, "Open in B"),
      { label: "Search for this name", run: () => this.change({ q: `^${name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$` }) },
      null,
      { label: "Copy name", run: () => void copyText(name).then(() => toast("Copied")) },
    ]);
  }

  private listen(): void {
    let timer = 0;
    this.search.addEventListener("input", () => {
      clearTimeout(timer);
      timer = window.setTimeout(() => this.change({ q: this.search.value }), 60);
    });
    this.search.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.search.value = "";
      this.change({ q: "" });
      this.search.blur();
      event.stopPropagation();
    });
    window.addEventListener("popstate", () => {
      this.shared.state = stateOf();
      this.renderSoon();
      this.reload();
    });
    theme.watch(() => this.renderSoon(), new AbortController().signal);
    window.addEventListener("keydown", (event) => this.onKey(event));
  }

  private onKey(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) || target.closest("dialog, .menu")) return;
    const view = VIEWS[Number(event.key) - 1];
    if (view) this.change({ view: view.value });
    else if (event.key === "/") {
      this.search.focus();
      this.search.select();
    } else if (event.key === "?") showHelp();
    else if (event.key === "t") chooseTheme(theme.get() === "dark" ? "light" : "dark");
    else if (event.key === "Escape" || event.key === "Backspace") {
      if (event.key === "Escape" && this.shared.state.q) this.change({ q: "" });
      else if (!this.made?.view.stepBack?.() && event.key === "Escape") this.change({ sel: null });
    } else return;
    event.preventDefault();
  }
}

/** The table is what a comparison opens with. */
function stateOf(): ViewState {
  const state = parseState(location.hash);
  if (!new URLSearchParams(location.hash.slice(1)).has("view")) state.view = "table";
  return state;
}

function card(kind: "bad" | "empty", title: string, ...words: (string | Node)[]): void {
  fill(document.body, el("main", {}, stateCard(kind, title, ...words, el("p", {}, el("a", { href: "/" }, "All profiles")))));
}

/** Opens /d/A..B; where a side is not said, it is chosen from the library. */
export async function openCompare(base: string, target: string): Promise<void> {
  const [a, b] = [decodeURIComponent(base), decodeURIComponent(target)];
  if (!a || !b) {
    const choose = el("button", { class: "button main", type: "button" }, "Choose a profile");
    choose.addEventListener("click", async () => {
      const row = await pickProfile(a ? "Compare with which profile?" : "Which profile is the base?", a);
      if (row) location.assign(a ? `/d/${a}..${row.id}` : `/d/${row.id}..`);
    });
    card("empty", a ? "Compare with which profile?" : "Compare two profiles", a ? "One is chosen; the other comes from the library." : "Choose the earlier run first, then the later one.", choose);
    choose.focus();
    return;
  }
  fill(document.body, el("main", {}, stateCard("loading", "Opening the two profiles")));
  const found = await Promise.allSettled([serverSource(a).profile(), serverSource(b).profile()]);
  const [one, two] = found;
  if (one?.status === "fulfilled" && two?.status === "fulfilled") {
    new ComparePage(one.value, two.value);
    return;
  }
  const missing = [a, b].filter((_, i) => {
    const cause: unknown = found[i]?.status === "rejected" ? (found[i] as PromiseRejectedResult).reason : null;
    return cause instanceof ApiError && cause.status === 404;
  });
  if (missing.length) card("bad", missing.length === 2 ? "Neither profile is there" : `There is no profile ${safeName(missing[0] ?? "").slice(0, 40)}`, "It may have been deleted, or the address is not complete.");
  else card("bad", "The profiles could not be opened", "The server does not answer.");
}
