import type { ActivityThread } from "../api/types";
import { safeName } from "../canvas/text";
import { token } from "../canvas/colours";
import { formatCount, formatPercent } from "../model/format";
import { el, fill, onResize } from "../widgets/dom";
import { stateCard } from "../widgets/notice";
import { momentTime } from "./series_plot";
import type { Actions, Shared, View } from "./view";

const STATES = [
  ["gil", "--state-gil", "running Python (has the GIL)"],
  ["oncpu", "--state-oncpu", "on a CPU"],
  ["wants", "--state-wants", "waiting for the GIL"],
  ["idle", "--state-idle", "idle or waiting"],
] as const;

interface Row {
  item: HTMLElement;
  name: HTMLButtonElement;
  canvas: HTMLCanvasElement;
  share: HTMLElement;
  holds: HTMLElement;
}

/** What each thread did over time: who held the interpreter is seen at a glance. */
export class ThreadsView implements View {
  readonly element = el("div", { class: "view" });
  private readonly axis = el("div", { class: "threads-axis number", "aria-hidden": "true" }, el("span"), el("span"), el("span"));
  private readonly list = el("ul");
  private readonly body: HTMLElement;
  private readonly message = el("div", { class: "stage", hidden: true });
  private readonly legend = el("div", { class: "legend" });
  private readonly abort = new AbortController();
  private readonly rows = new Map<number, Row>();
  private shared: Shared | null = null;
  private width = 0;

  constructor(private readonly actions: Actions) {
    this.body = el("div", { class: "threads-view" }, this.axis, this.list);
    this.element.append(el("div", { class: "stage" }, this.body, this.message), this.legend);
    onResize(this.list, this.abort.signal, (width) => {
      this.width = width;
      this.drawAll();
    });
  }

  update(shared: Shared): void {
    this.shared = shared;
    const threads = shared.activity?.threads ?? [];
    this.message.hidden = threads.length > 0;
    this.body.hidden = threads.length === 0;
    if (!threads.length) {
      fill(
        this.message,
        shared.problem
          ? stateCard("bad", "The threads could not be read", shared.problem)
          : shared.activity === null
            ? stateCard("loading", "Loading the threads")
            : stateCard("empty", "No threads in this profile", "This file does not say which thread did what, or when."),
      );
      return;
    }
    this.updateLegend();
    const { t0, t1 } = shared.activity ?? { t0: 0, t1: 1 };
    [...this.axis.children].forEach((mark, i) => (mark.textContent = momentTime(t0 + ((t1 - t0) * i) / 2, t1 - t0)));
    const seen = new Set<number>();
    for (const one of threads) {
      seen.add(one.thread);
      this.updateRow(one, shared);
    }
    for (const [index, row] of this.rows)
      if (!seen.has(index)) {
        row.item.remove();
        this.rows.delete(index);
      }
    this.drawAll();
  }

  destroy(): void {
    this.abort.abort();
  }

  private updateLegend(): void {
    if (this.legend.childElementCount) return;
    for (const [, colour, words] of STATES) {
      const swatch = el("span", { class: "swatch" });
      swatch.style.background = `var(${colour})`;
      this.legend.append(el("span", { class: "key" }, swatch, words));
    }
  }

  private updateRow(one: ActivityThread, shared: Shared): void {
    let row = this.rows.get(one.thread);
    if (!row) {
      const name = el("button", { class: "thread-name", type: "button" });
      const canvas = el("canvas", { role: "img" });
      const share = el("span");
      const holds = el("small", { class: "holds" });
      row = { item: el("li", {}, name, canvas, el("span", { class: "number" }, share, holds)), name, canvas, share, holds };
      this.rows.set(one.thread, row);
      this.list.append(row.item);
      name.addEventListener("click", () => this.toggle(one.thread));
    }
    const info = shared.profile.threads.find((t) => t.index === one.thread);
    const process = shared.profile.processes.find((p) => p.index === info?.process);
    const title = safeName(info?.name || `thread ${info?.tid ?? one.thread}`);
    const where = process && shared.profile.processes.length > 1 ? `pid ${process.pid}, tid ${info?.tid}` : `tid ${info?.tid ?? "?"}`;
    fill(row.name, title.slice(0, 120), el("small", {}, where));
    row.name.title = "Only this thread in every view";
    row.name.setAttribute("aria-pressed", String(shared.state.threads.includes(one.thread)));
    const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);
    const busy = sum(one.oncpu) + sum(one.gil);
    const all = busy + sum(one.wants) + sum(one.idle);
    row.share.textContent = `${wholePercent(all ? busy / all : 0)} busy`;
    const held = sum(one.gil);
    const everyone = sum((shared.activity?.threads ?? []).map((t) => sum(t.gil)));
    row.holds.textContent = held > 0 ? `GIL ${wholePercent(held / everyone)}` : "";
    row.holds.title = "Of the samples in which a thread had the GIL, how many were this one's";
    row.canvas.setAttribute(
      "aria-label",
      `${title}: ${formatCount(sum(one.gil))} samples with the GIL, ${formatCount(Math.round(sum(one.oncpu)))} on a CPU, ${formatCount(sum(one.wants))} waiting for the GIL, ${formatCount(Math.round(sum(one.idle)))} idle`,
    );
  }

  private toggle(thread: number): void {
    const now = this.shared?.state.threads ?? [];
    this.actions.change({
      threads: now.includes(thread) ? now.filter((t) => t !== thread) : [...now, thread].sort((a, b) => a - b),
    });
  }

  private drawAll(): void {
    if (!this.shared?.activity || this.width <= 0) return;
    const colours = STATES.map(([, name]) => token(name));
    for (const one of this.shared.activity.threads) {
      const row = this.rows.get(one.thread);
      if (row) drawThread(row.canvas, one, this.shared.activity.buckets, colours);
    }
  }
}

/** A column narrower than this holds so few samples that it shows their luck, not the thread's. */
const COLUMN_PX = 6;

export function bucketsPerColumn(buckets: number, width: number): number {
  return Math.max(1, Math.ceil((buckets * COLUMN_PX) / Math.max(1, width)));
}

/** What part of its samples the thread spent how, bucket by bucket; blank where it was not there. */
function drawThread(canvas: HTMLCanvasElement, one: ActivityThread, fine: number, colours: string[]): void {
  const context = canvas.getContext("2d");
  const box = canvas.getBoundingClientRect();
  if (!context || box.width <= 0) return;
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(box.width * ratio);
  canvas.height = Math.round(box.height * ratio);
  const join = bucketsPerColumn(fine, box.width);
  const buckets = Math.ceil(fine / join);
  for (let i = 0; i < buckets; i++) {
    const amounts = STATES.map(([key]) => one[key].slice(i * join, (i + 1) * join).reduce((sum, n) => sum + n, 0));
    const all = amounts.reduce((sum, n) => sum + n, 0);
    if (all === 0) continue;
    const left = Math.round((i / buckets) * canvas.width);
    const width = Math.round(((i + 1) / buckets) * canvas.width) - left;
    let bottom = canvas.height;
    amounts.forEach((amount, s) => {
      const height = (amount / all) * canvas.height;
      context.fillStyle = colours[s] ?? "";
      context.fillRect(left, bottom - height, width, height);
      bottom -= height;
    });
  }
}

function wholePercent(share: number): string {
  return formatPercent(share).replace(/\.\d+/, "");
}
