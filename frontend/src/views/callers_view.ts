import type { CallerRow } from "../api/types";
import { safeName } from "../canvas/text";
import { formatAmount, formatCount, formatPercent, formatPlace } from "../model/format";
import { el, fill } from "../widgets/dom";
import { stateCard } from "../widgets/notice";
import type { Actions, Shared, View } from "./view";

/** The chosen function between those who call it and those it calls. */
export class CallersView implements View {
  readonly element = el("div", { class: "view" });
  private readonly body = el("div", { class: "sandwich" });
  private readonly message = el("div", { class: "stage", hidden: true });
  private bodyKey = "";

  constructor(private readonly actions: Actions) {
    this.element.append(el("div", { class: "stage" }, this.body, this.message));
  }

  update(shared: Shared): void {
    const { callers, state } = shared;
    const isReady = callers !== null && state.sel !== null && callers.function.id === state.sel;
    this.message.hidden = isReady;
    this.body.hidden = !isReady;
    if (!isReady || !callers) {
      fill(
        this.message,
        state.sel === null
          ? stateCard("empty", "Choose a function", "Click one in the sunburst, the flame graph or the table: here you see who calls it and what it calls.")
          : shared.problem
            ? stateCard("bad", "Callers could not be read", shared.problem)
            : stateCard("loading", "Loading callers"),
      );
      return;
    }
    const key = JSON.stringify(callers);
    if (key === this.bodyKey) return;
    this.bodyKey = key;
    const unit = callers.unit ?? shared.profile.values.find((v) => v.key === state.value)?.unit ?? shared.profile.values[0]?.unit ?? "";
    const me = callers.function;
    const whole = shared.flame ? shared.flame.flame.head.total : (shared.table?.total ?? 0);
    const side = (title: string, rows: readonly CallerRow[], none: string) => {
      const list = el("ul");
      const most = Math.max(me.total, ...rows.map((r) => r.total), 0) || 1;
      for (const row of [...rows].sort((a, b) => b.total - a.total)) list.append(this.edge(row, most, unit));
      return el(
        "section",
        {},
        el("h2", {}, `${title} (${formatCount(rows.length)})`),
        rows.length ? list : el("p", { class: "hint" }, none),
      );
    };
    const middle = el(
      "section",
      { class: "middle" },
      el("h2", {}, safeName(me.name).slice(0, 400)),
      el("p", { class: "place mono" }, safeName(formatPlace(me.file, me.line)).slice(0, 400)),
      meters(me.self, me.total, whole, unit),
      me.ncalls !== undefined ? el("p", {}, `${formatCount(me.ncalls)} calls`) : null,
    );
    fill(
      this.body,
      side("Called by", callers.callers, "Nothing calls it: it is a root."),
      middle,
      side("Calls", callers.callees, "It calls nothing that was seen."),
    );
  }

  destroy(): void {
    fill(this.body);
  }

  private edge(row: CallerRow, most: number, unit: string): HTMLElement {
    const bar = el("div", { class: "fill" });
    bar.style.width = `calc((100% - 16px) * ${Math.min(1, row.total / most)})`;
    const calls = row.ncalls !== undefined ? `${formatCount(row.ncalls)} calls · ` : "";
    const button = el(
      "button",
      { class: "edge", type: "button", title: safeName(`${row.name} ${row.file}:${row.line}`).slice(0, 1000) },
      el("span", { class: "fn" }, safeName(row.name).slice(0, 300)),
      el("span", { class: "number" }, formatAmount(row.total, unit)),
      el("span", { class: "sub" }, calls + safeName(formatPlace(row.file, row.line)).slice(0, 200)),
      el("span", { class: "sub number" }, formatPercent(row.total / most)),
      bar,
    );
    button.addEventListener("click", () => this.actions.select(row.id));
    button.addEventListener("contextmenu", (event) => {
      event.preventDefault();
      this.actions.menu(event.clientX, event.clientY, row.id, null);
    });
    return el("li", {}, button);
  }
}

/** Self and total as bars with their share of the whole. */
export function meters(self: number, total: number, whole: number, unit: string, samples?: (n: number) => string): HTMLElement {
  const box = el("div", { class: "meter" });
  for (const [label, amount] of [
    ["self", self],
    ["total", total],
  ] as const) {
    const bar = el("div");
    bar.style.width = `${whole > 0 ? Math.min(100, (amount / whole) * 100) : 0}%`;
    box.append(
      el("span", {}, label),
      el("div", { class: "track" }, bar),
      el("span", { class: "number" }, whole > 0 ? formatPercent(amount / whole) : "–"),
      el("span", { class: "sub number" }, [formatAmount(amount, unit), samples?.(amount)].filter(Boolean).join(" · ")),
    );
  }
  return box;
}
