import type { CallerRow, Note } from "../api/types";
import { cssOf } from "../canvas/colours";
import { safeName } from "../canvas/text";
import { formatCount, formatPercent, formatPlace } from "../model/format";
import { errorText, sampleStep } from "../model/memory";
import { ancestry, followPath, functionOf, isApportioned, selfOf, widthOf } from "../model/tree";
import { valueShown } from "../model/values";
import { copyText, el, fill, icon } from "../widgets/dom";
import { toast } from "../widgets/notice";
import { meters } from "./callers_view";
import { samplesText } from "./chart";
import { canPin } from "./note_dialog";
import { momentTime } from "./series_plot";
import type { Actions, Shared, View } from "./view";

const MOST_ALERTS = 20;
const MOST_LINKS = 5;

/** What is known of the chosen function and of the box it was chosen in. */
export class DetailView implements View {
  readonly element = el("aside", { class: "panel detail", "aria-label": "Details of the selection", tabindex: 0 });
  private key = "";

  constructor(private readonly actions: Actions) {}

  update(shared: Shared): void {
    const { state, flame, callers } = shared;
    const key = [state.sel, state.root.join("."), flame?.flame.head.rev, flame?.flame.head.total, flame?.isPreview, callers?.rev, callers?.function.id, shared.tokens.ink, state.colour, state.focus, state.value, shared.query.text, shared.profile.notices.length, shared.notes.map((n) => n.number).join(), shared.alerts.map((a) => a.number).join()].join("|");
    if (key === this.key) return;
    this.key = key;
    if (state.sel === null) {
      fill(this.element, ...this.overview(shared));
      return;
    }
    fill(this.element, ...this.selection(shared, state.sel));
  }

  destroy(): void {
    fill(this.element);
  }

  /** Nothing chosen: the hottest functions, and what to do next. */
  private overview(shared: Shared): (HTMLElement | null)[] {
    const { flame } = shared;
    const parts: (HTMLElement | null)[] = [];
    if (flame && !flame.isEmpty && !flame.isPreview) {
      const { self } = flame.functionSums();
      parts.push(
        el("h2", { class: "plain" }, flame.hasTime ? "Where the time is" : flame.flame.head.unit === "bytes" ? "Where the memory is" : `Where the ${safeName(flame.flame.head.value)} are`),
        el("p", { class: "hint" }, "Functions by their own share. Click one to see its callers and callees."),
      );
      const list = el("ul", { class: "links" });
      for (const fn of flame.hottest(8))
        list.append(this.link(shared, flame.idOf(fn), flame.name(fn), flame.shareText(self[fn] as number), flame.place(fn)));
      parts.push(list);
    }
    if (shared.profile.notices.length) {
      parts.push(el("h3", {}, "Notices"));
      const list = el("ul", { class: "notice-list" });
      for (const notice of shared.profile.notices)
        list.append(el("li", { class: notice.severity >= 2 ? "bad" : notice.severity === 1 ? "warn" : "" }, safeName(notice.text)));
      parts.push(list);
    }
    parts.push(...this.alerts(shared), ...this.notes(shared, shared.notes, null));
    parts.push(
      el("h3", {}, "Getting around"),
      el("p", { class: "hint" }, "Drag across the plot to choose a window of time. Type / to search, ? for all keys."),
    );
    return parts;
  }

  private selection(shared: Shared, sel: number): (HTMLElement | null)[] {
    const { flame, callers, state } = shared;
    const fn = flame?.positionOf(sel) ?? -1;
    const exact = callers?.function.id === sel ? callers.function : null;
    const row = shared.table?.columns.id.indexOf(sel) ?? -1;
    const name = flame && fn >= 0 ? flame.name(fn) : (exact?.name ?? (row >= 0 ? shared.table?.columns.name[row] : "") ?? "");
    const place = flame && fn >= 0 ? placeOf(flame.file(fn), flame.line(fn)) : exact ? placeOf(exact.file, exact.line) : "";
    const parts: (HTMLElement | null)[] = [
      el("h2", {}, safeName(name || "(not in this window)").slice(0, 2000)),
      el("div", { class: "place" }, safeName(place).slice(0, 1000)),
    ];
    if (flame) {
      const sums = flame.functionSums();
      const self = exact?.self ?? (fn >= 0 ? flame.amount(sums.self[fn] as number) : 0);
      const total = exact?.total ?? (fn >= 0 ? flame.amount(sums.total[fn] as number) : 0);
      const { head } = flame.flame;
      const value = valueShown(shared.profile.values, state.value);
      const step = value?.unit === "bytes" ? sampleStep(shared.profile) : 0;
      let beside: ((amount: number) => string) | undefined;
      if (value?.set === "heap") beside = step > 0 ? (amount) => errorText(amount, step) : undefined;
      else if (head.samples > 0 && head.total > 0 && !head.estimated)
        beside = (amount) => samplesText((amount / head.total) * head.samples);
      parts.push(meters(self, total, head.total, head.unit, beside));
    }
    if (exact?.ncalls !== undefined) parts.push(el("p", { class: "hint" }, `${formatCount(exact.ncalls)} calls`));
    parts.push(this.buttons(shared, sel, name));
    if (exact && callers) {
      parts.push(...this.neighbours(shared, "Called by", callers.callers), ...this.neighbours(shared, "Calls", callers.callees));
    }
    if (flame && state.root.length) parts.push(...this.stack(shared));
    parts.push(...this.notes(shared, shared.notes.filter((note) => note.function === sel), sel));
    return parts;
  }

  /** What rules found; a click shows the time around it. */
  private alerts(shared: Shared): HTMLElement[] {
    if (!shared.alerts.length) return [];
    const all = shared.profile.duration_s;
    const list = el("ul", { class: "alert-marks" });
    for (const alert of shared.alerts.slice(0, MOST_ALERTS)) {
      const go = el("button", { type: "button", title: `${safeName(alert.rule_name)}: show the time around it` }, `${safeName(alert.text)}, at ${momentTime(alert.at_s, all)}`);
      go.addEventListener("click", () => this.actions.change({ from: Math.max(0, alert.at_s - all / 20), to: Math.min(all, alert.at_s + all / 20) }));
      list.append(el("li", {}, go));
    }
    return [el("h3", {}, `Alerts (${shared.alerts.length})`), list];
  }

  /** What people pinned here; a click on one leads to where it was pinned. */
  private notes(shared: Shared, notes: readonly Note[], fn: number | null): HTMLElement[] {
    if (!notes.length && !canPin()) return [];
    const list = el("ul", { class: "note-list" });
    for (const note of notes) list.append(this.note(shared, note, fn));
    const pin = el("button", { class: "button", type: "button", title: "Kept with the profile; links carry it" }, "Pin a note…");
    pin.addEventListener("click", () => this.actions.pinNote(fn));
    return [el("h3", {}, "Notes"), list, ...(canPin() ? [pin] : [])];
  }

  private note(shared: Shared, note: Note, fn: number | null): HTMLElement {
    const at = note.function === null ? -1 : (shared.flame?.positionOf(note.function) ?? -1);
    const all = shared.profile.duration_s;
    const where = [
      fn === null && note.function !== null ? (at >= 0 ? safeName(shared.flame?.name(at) ?? "").slice(0, 80) : "a function") : "",
      note.from_s !== null && note.to_s !== null ? `${momentTime(note.from_s, all)} to ${momentTime(note.to_s, all)}` : "",
    ].filter(Boolean);
    const go = el("button", { class: "note-where", type: "button", title: "Go to where it was pinned" }, where.join(", "));
    go.addEventListener("click", () => {
      if (note.function !== null) this.actions.select(note.function);
      this.actions.change({ from: note.from_s, to: note.to_s });
    });
    const remove = el("button", { class: "button quiet icon", type: "button", title: "Take this note away", "aria-label": "Take this note away" }, icon("trash"));
    remove.addEventListener("click", () => this.actions.removeNote(note.number));
    const text = note.text.split("\n").map((line) => safeName(line)).join("\n");
    return el("li", {}, el("p", {}, text), el("div", {}, ...(where.length ? [go] : []), el("time", {}, new Date(note.created_unix_ms).toLocaleDateString()), ...(canPin() ? [remove] : [])));
  }

  private buttons(shared: Shared, sel: number, name: string): HTMLElement {
    const button = (text: string, hint: string, run: () => void, isPressed?: boolean) => {
      const b = el("button", { class: "button", type: "button", title: hint, "aria-pressed": isPressed === undefined ? null : String(isPressed) }, text);
      b.addEventListener("click", run);
      return b;
    };
    const { state } = shared;
    return el(
      "div",
      { class: "buttons" },
      button("Focus", "Only stacks through this function, re-rooted at it", () => this.actions.change({ focus: state.focus === sel ? null : sel, root: [] }), state.focus === sel),
      button("Hide", "Take its frames out; their time goes to the callers", () => this.actions.change({ hide: [...new Set([...state.hide, sel])], root: [], sel: null })),
      button("Callers", "Who calls it, what it calls", () => this.actions.change({ view: "callers" })),
      button("Lines", "The code and what each line cost", () => this.actions.change({ view: "lines" })),
      button("Copy name", "", () => void copyText(name).then(() => toast("Copied"))),
    );
  }

  private neighbours(shared: Shared, title: string, rows: readonly CallerRow[]): HTMLElement[] {
    if (!rows.length) return [];
    const sum = rows.reduce((total, r) => total + r.total, 0) || 1;
    const list = el("ul", { class: "links" });
    for (const row of [...rows].sort((a, b) => b.total - a.total).slice(0, MOST_LINKS))
      list.append(this.link(shared, row.id, row.name, formatPercent(row.total / sum), formatPlace(row.file, row.line)));
    const more = rows.length - MOST_LINKS;
    return [el("h3", {}, title, more > 0 ? el("span", {}, `${formatCount(more)} more`) : null), list];
  }

  /** The call stack of the box in the middle, innermost last. */
  private stack(shared: Shared): HTMLElement[] {
    const flame = shared.flame;
    if (!flame) return [];
    const { box } = followPath(flame.flame, shared.state.root);
    const boxes = ancestry(flame.flame, box).slice(1);
    const path = shared.state.root;
    const list = el("ol", { class: "links" });
    boxes.forEach((b, i) => {
      const fn = functionOf(flame.flame, b);
      const item = this.link(
        shared,
        flame.idOf(fn),
        (isApportioned(flame.flame, b) ? "≈ " : "") + flame.name(fn),
        flame.shareText(widthOf(flame.flame, b)),
        flame.place(fn),
        () => this.actions.zoom(path.slice(0, i + 1)),
      );
      list.append(item);
    });
    const self = selfOf(flame.flame, box);
    return [
      el("h3", {}, "Call stack of this box", el("span", { class: "number" }, `self ${flame.amountText(self)}`)),
      list,
    ];
  }

  private link(shared: Shared, id: number, name: string, share: string, place: string, run?: () => void): HTMLElement {
    const fn = shared.flame?.positionOf(id) ?? -1;
    const swatch = el("span", { class: "swatch" });
    if (fn >= 0) swatch.style.background = cssOf(shared.boxColours[fn] ?? 0xff888888);
    const button = el(
      "button",
      { type: "button", title: safeName(`${name} ${place}`).slice(0, 1000) },
      el("span", { class: "fn" }, swatch, el("span", {}, safeName(name).slice(0, 300))),
      el("span", { class: "number" }, share),
    );
    button.addEventListener("click", run ?? (() => this.actions.select(id)));
    button.addEventListener("contextmenu", (event) => {
      event.preventDefault();
      this.actions.menu(event.clientX, event.clientY, id, null);
    });
    return el("li", {}, button);
  }
}

function placeOf(file: string, line: number): string {
  return file ? (line > 0 ? `${file}:${line}` : file) : "";
}
