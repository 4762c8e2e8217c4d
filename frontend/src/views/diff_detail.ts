import type { DiffAnswer, DiffNumber, DiffRow, Profile } from "../api/types";
import { safeName } from "../canvas/text";
import { changeText, relativeText, rowId, sureText } from "../model/diff_model";
import type { FlameModel } from "../model/flame_model";
import { formatAmount, formatCount, formatPlace } from "../model/format";
import { ancestry, followPath, functionOf } from "../model/tree";
import type { ViewState } from "../state/url";
import { el, fill } from "../widgets/dom";

const MOST = 8;

/** The chosen function in both; with none chosen, what grew and what shrank most. */
export class DiffDetail {
  readonly element = el("aside", { class: "panel detail", "aria-label": "Details of the selection", tabindex: 0 });
  private key: unknown[] = [];

  constructor(
    private readonly base: Profile,
    private readonly target: Profile,
    private readonly change: (patch: Partial<ViewState>) => void,
  ) {}

  update(answer: DiffAnswer | null, sel: number | null, flame: FlameModel | null, state: ViewState): void {
    const key = [answer, sel, flame, state.root.join(".")];
    if (key.every((k, i) => k === this.key[i]) && this.key.length) return;
    this.key = key;
    const row = answer && sel !== null ? answer.functions.find((r) => rowId(r) === sel) : undefined;
    if (!answer) fill(this.element);
    else fill(this.element, ...(row ? this.selection(answer, row) : this.overview(answer)), ...(flame ? this.stack(flame, state) : []));
  }

  private overview(d: DiffAnswer): HTMLElement[] {
    const parts: HTMLElement[] = [];
    const changed = d.functions.filter((r) => r.state !== "same" && (!d.is_tested || r.is_significant));
    const by = (sign: number) =>
      changed
        .filter((r) => Math.sign(r.self.change) === sign)
        .sort((a, b) => Math.abs(b.self.change) - Math.abs(a.self.change))
        .slice(0, MOST);
    for (const [title, rows] of [["Grew most, by their own share", by(1)], ["Shrank most", by(-1)]] as const) {
      parts.push(el("h2", { class: "plain" }, title));
      if (rows.length) parts.push(el("ul", { class: "links" }, ...rows.map((r) => this.link(d, r))));
      else parts.push(el("p", { class: "hint" }, d.is_tested ? "Nothing by more than chance." : "Nothing."));
    }
    if (d.benchmarks.length) parts.push(...this.benchmarks(d));
    const { counts } = d;
    parts.push(
      el("h3", {}, "In all"),
      el("p", { class: "hint" }, `${formatCount(counts.functions)} functions: ${formatCount(counts.changed)} changed, ${formatCount(counts.added)} only in B, ${formatCount(counts.removed)} only in A, ${formatCount(counts.same)} the same.`),
      el("p", { class: "hint" }, d.is_tested ? "Both were sampled: a change counts when it is more than chance (q ≤ 0.05)." : "Nothing is tested: these numbers were counted, or one run's clock says nothing of the next one's."),
    );
    return parts;
  }

  private benchmarks(d: DiffAnswer): HTMLElement[] {
    const list = el("ul", { class: "links" });
    for (const b of d.benchmarks.slice(0, 30)) {
      const { base = 0, target = 0 } = b.mean_s;
      list.append(el("li", { class: "benchmark" }, el("span", { class: "fn" }, el("span", {}, safeName(b.name).slice(0, 200))), el("span", { class: `number${b.is_regression ? " is-more" : ""}` }, relativeText(base, target))));
    }
    return [el("h3", {}, "Benchmarks, by their means"), list];
  }

  private selection(d: DiffAnswer, row: DiffRow): HTMLElement[] {
    const unit = d.unit ?? "";
    const body = el("tbody");
    const line = (title: string, n: DiffNumber) =>
      body.append(
        el(
          "tr",
          {},
          el("th", { scope: "row" }, title),
          el("td", {}, formatAmount(n.base, unit)),
          el("td", {}, formatAmount(n.target, unit)),
          el("td", { class: n.change > 0 ? "is-more" : n.change < 0 ? "is-less" : "" }, changeText(n.change, unit), el("br"), el("small", {}, relativeText(n.base, n.target))),
        ),
      );
    line("self", row.self);
    line("total", row.total);
    const counts = (title: string, pair: { base: number; target: number } | undefined) => {
      if (pair) body.append(el("tr", {}, el("th", { scope: "row" }, title), el("td", {}, formatCount(pair.base)), el("td", {}, formatCount(pair.target)), el("td", {}, relativeText(pair.base, pair.target))));
    };
    counts("calls", row.ncalls);
    counts("samples", row.samples_total);
    const head = el("tr", {}, el("th"), el("th", { scope: "col" }, "A"), el("th", { scope: "col" }, "B"), el("th", { scope: "col" }, "change"));
    const q = [sureText(row.self) && `self q ${sureText(row.self)}`, sureText(row.total) && `total q ${sureText(row.total)}`].filter(Boolean).join(", ");
    const open = (p: Profile, id: number | undefined, label: string) =>
      id === undefined ? null : el("a", { class: "button", href: `/p/${encodeURIComponent(p.id)}#view=callers&sel=${id}` }, label);
    return [
      el("h2", {}, safeName(row.name).slice(0, 2000)),
      el("div", { class: "place" }, safeName(formatPlace(row.file, row.line)).slice(0, 1000)),
      el("table", { class: "diff-numbers number" }, el("thead", {}, head), body),
      el("p", { class: "hint" }, row.is_regression ? "A regression. " : "", row.state === "added" ? "Only B has it. " : row.state === "removed" ? "Only A has it. " : "", q),
      el("div", { class: "buttons" }, open(this.base, row.base_id, "Open in A"), open(this.target, row.target_id, "Open in B")),
    ];
  }

  /** The path to the box in the middle of the picture. */
  private stack(flame: FlameModel, state: ViewState): HTMLElement[] {
    const { box } = followPath(flame.flame, state.root);
    const list = el("ol", { class: "links" });
    ancestry(flame.flame, box).slice(1).forEach((b, i) => {
      const button = el("button", { type: "button" }, el("span", { class: "fn" }, el("span", {}, safeName(flame.name(functionOf(flame.flame, b))).slice(0, 300))));
      button.addEventListener("click", () => this.change({ root: state.root.slice(0, i + 1), sel: state.root[i] ?? null }));
      list.append(el("li", {}, button));
    });
    return [el("h3", {}, "Call stack of this box"), list];
  }

  private link(d: DiffAnswer, row: DiffRow): HTMLElement {
    const button = el(
      "button",
      { type: "button", title: safeName(`${row.name} ${row.file}:${row.line}`).slice(0, 1000) },
      el("span", { class: "fn" }, el("span", {}, safeName(row.name).slice(0, 300))),
      el("span", { class: `number ${row.self.change > 0 ? "is-more" : "is-less"}` }, changeText(row.self.change, d.unit ?? "")),
    );
    button.addEventListener("click", () => this.change({ sel: rowId(row) }));
    return el("li", {}, button);
  }
}
