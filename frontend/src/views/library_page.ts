import { ApiError, deleteProfile, listProfiles, uploadProfile } from "../api/client";
import type { ProfileRow } from "../api/types";
import { safeName } from "../canvas/text";
import { formatAge, formatBytes, formatClock, formatSeconds, formatShort } from "../model/format";
import { el, fill, icon } from "../widgets/dom";
import { stateCard, toast } from "../widgets/notice";
import { logo, themeSwitch } from "./header_view";
import { previewOf } from "./preview";

const PAGE_ROWS = 50;
const MOST_TAGS = 4;
const REFRESH_MS = 3000;

type Order = "newest" | "longest" | "peak" | "name";

const ORDERS: Record<Order, [string, (a: ProfileRow, b: ProfileRow) => number]> = {
  newest: ["newest first", (a, b) => b.created_unix_ms - a.created_unix_ms],
  longest: ["longest first", (a, b) => b.duration_s - a.duration_s],
  peak: ["highest peak first", (a, b) => b.peak_rss_bytes - a.peak_rss_bytes],
  name: ["by name", (a, b) => a.name.localeCompare(b.name)],
};

/** All profiles: search, upload, open, delete. */
export class LibraryPage {
  private readonly abort = new AbortController();
  private readonly list = el("div", { class: "list" });
  private readonly uploads = el("ul", { class: "uploads", "aria-label": "Uploads" });
  private readonly zone = el("section", { class: "dropzone", "aria-label": "Upload" });
  private readonly more = el("button", { class: "button", type: "button", hidden: true }, "Show more");
  private readonly remove = el("button", { class: "button", type: "button", hidden: true }, icon("trash"), el("span"));
  private readonly compare = el("button", { class: "button", type: "button", hidden: true }, "Compare the two");
  private readonly search = el("input", { class: "field", type: "search", placeholder: "Search profiles", "aria-label": "Search profiles" });
  private readonly order = el("select", { class: "field", "aria-label": "Order" });
  private readonly tools: HTMLElement;
  private readonly picked = new Set<string>();
  private rows: ProfileRow[] = [];
  private cursor = "";
  private problem = "";
  private hasAnswer = false;
  private asking: AbortController | null = null;
  private listKey = "";

  constructor() {
    document.title = "Heliograph";
    const picker = el("input", { type: "file", multiple: true, class: "unseen", tabindex: -1, "aria-label": "Profile files" });
    const choose = el("button", { class: "button main", type: "button" }, icon("upload"), "Choose files");
    choose.addEventListener("click", () => picker.click());
    picker.addEventListener("change", () => {
      this.take([...(picker.files ?? [])]);
      picker.value = "";
    });
    this.zone.append(
      icon("upload", "glyph"),
      el(
        "div",
        {},
        el("strong", {}, "Drop saved profiles here"),
        el("p", {}, "cProfile and pstats files, collapsed stacks and more; gzip or zstd too, any number at once."),
      ),
      choose,
      picker,
    );
    for (const [key, [words]] of Object.entries(ORDERS)) this.order.append(el("option", { value: key }, words));
    this.tools = el(
      "div",
      { class: "list-tools" },
      el("div", { class: "search" }, icon("search"), this.search),
      this.order,
      this.compare,
      this.remove,
    );
    fill(
      document.body,
      el(
        "main",
        { class: "library" },
        el("header", { class: "library-top" }, logo(), el("h1", {}, "Heliograph"), el("a", { class: "button quiet", href: "/alerts" }, icon("warning"), "Alerts"), themeSwitch(this.abort.signal, () => undefined)),
        this.zone,
        this.uploads,
        this.tools,
        this.list,
        el("p", {}, this.more),
      ),
    );
    this.listen();
    void this.refresh();
  }

  private listen(): void {
    const { signal } = this.abort;
    let timer = 0;
    this.search.addEventListener("input", () => {
      clearTimeout(timer);
      timer = window.setTimeout(() => void this.refresh(), 150);
    }, { signal });
    this.order.addEventListener("change", () => this.render(), { signal });
    this.more.addEventListener("click", () => void this.next(), { signal });
    this.compare.addEventListener("click", () => this.comparePicked(), { signal });
    this.remove.addEventListener("click", () => void this.removePicked(), { signal });
    const over = (isOver: boolean) => this.zone.classList.toggle("is-over", isOver);
    window.addEventListener("dragover", (event) => {
      event.preventDefault();
      over(true);
    }, { signal });
    window.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) over(false);
    }, { signal });
    window.addEventListener("drop", (event) => {
      event.preventDefault();
      over(false);
      this.take([...(event.dataTransfer?.files ?? [])]);
    }, { signal });
    window.addEventListener("keydown", (event) => {
      if (event.key === "/" && !/^(INPUT|SELECT)$/.test((event.target as HTMLElement).tagName)) {
        event.preventDefault();
        this.search.focus();
      }
    }, { signal });
    // Live profiles grow and new ones come.
    const again = window.setInterval(() => {
      if (!document.hidden && !this.picked.size && this.rows.length <= PAGE_ROWS) void this.refresh();
    }, REFRESH_MS);
    signal.addEventListener("abort", () => clearInterval(again));
  }

  private async refresh(): Promise<void> {
    this.asking?.abort();
    const asking = new AbortController();
    this.asking = asking;
    try {
      const answer = await listProfiles({ q: this.search.value, limit: PAGE_ROWS }, asking.signal);
      this.rows = answer.profiles;
      this.cursor = answer.next;
      this.problem = "";
    } catch (cause) {
      if (asking.signal.aborted) return;
      this.problem = cause instanceof Error ? cause.message : "no answer";
    }
    this.hasAnswer = true;
    this.render();
  }

  private async next(): Promise<void> {
    const answer = await listProfiles({ q: this.search.value, limit: PAGE_ROWS, cursor: this.cursor });
    this.rows.push(...answer.profiles);
    this.cursor = answer.next;
    this.render();
  }

  private render(): void {
    this.more.hidden = !this.cursor;
    this.remove.hidden = this.picked.size === 0;
    this.compare.hidden = this.picked.size !== 2;
    const label = this.remove.querySelector("span");
    if (label) label.textContent = `Delete ${this.picked.size}`;
    this.tools.hidden = this.hasAnswer && !this.rows.length && !this.search.value;
    const sorted = [...this.rows].sort(ORDERS[this.order.value as Order]?.[1] ?? ORDERS.newest[1]);
    const key = JSON.stringify([sorted, this.problem, [...this.picked], this.search.value, Math.floor(Date.now() / 30000)]);
    if (key === this.listKey) return;
    this.listKey = key;
    if (this.problem && !this.rows.length) {
      fill(this.list, stateCard("bad", "The server does not answer", this.problem, "This page tries again by itself."));
    } else if (!sorted.length) {
      fill(this.list, this.search.value ? stateCard("empty", "Nothing found", `No profile has “${this.search.value}” in its name or tags.`) : firstSteps());
    } else {
      const focused = (document.activeElement as HTMLElement | null)?.closest<HTMLElement>("[data-id]")?.dataset["id"];
      fill(this.list, el("div", { class: "cards", role: "list" }, ...sorted.map((row) => this.card(row))));
      if (focused) this.list.querySelector<HTMLElement>(`[data-id="${CSS.escape(focused)}"] a`)?.focus();
    }
  }

  private card(row: ProfileRow): HTMLElement {
    const name = safeName(row.name || row.id);
    const box = el("input", { type: "checkbox", "aria-label": `Choose ${name}` });
    box.checked = this.picked.has(row.id);
    box.addEventListener("change", () => {
      if (box.checked) this.picked.add(row.id);
      else this.picked.delete(row.id);
      this.render();
    });
    const remove = el("button", { class: "button quiet icon", type: "button", title: "Delete", "aria-label": `Delete ${name}` }, icon("trash"));
    remove.addEventListener("click", () => void this.removeRows([row]));
    const facts = el("div", { class: "facts-line number" });
    const fact = (value: string, words: string) =>
      facts.append(value ? el("span", {}, el("b", {}, value), ` ${words}`) : el("span"));
    const { duration_s, samples, peak_rss_bytes } = row;
    fact(duration_s > 0 ? (duration_s < 120 ? formatSeconds(duration_s) : formatClock(duration_s)) : "", "long");
    fact(samples > 0 ? formatShort(samples) : "", "samples");
    fact(peak_rss_bytes > 0 ? formatBytes(peak_rss_bytes) : "", "peak");
    return el(
      "div",
      { class: "card", role: "listitem", "data-id": row.id },
      box,
      el(
        "div",
        { class: "words" },
        el("div", { class: "title" }, el("a", { href: row.shapes.join() === "benchmarks" ? "/benchmarks" : `/p/${encodeURIComponent(row.id)}` }, name), stateBadge(row), ...this.tags(row)),
        el("div", { class: "summary", title: safeName(row.summary).slice(0, 600) }, safeName(row.summary || row.producer || row.format)),
      ),
      previewOf(row, this.abort.signal),
      facts,
      remove,
    );
  }

  /** A click on one shows the profiles that have it. */
  private tags(row: ProfileRow): HTMLElement[] {
    return Object.entries(row.tags)
      .slice(0, MOST_TAGS)
      .map(([key, value]) => {
        const words = safeName(value ? `${key}=${value}` : key).slice(0, 60);
        const tag = el("button", { class: "tag", type: "button", title: `Profiles with ${words}` }, words);
        tag.addEventListener("click", () => {
          this.search.value = value || key;
          this.search.dispatchEvent(new Event("input"));
        });
        return tag;
      });
  }

  /** The earlier one is the base. */
  private comparePicked(): void {
    const two = this.rows.filter((row) => this.picked.has(row.id)).sort((a, b) => a.created_unix_ms - b.created_unix_ms);
    if (two.length === 2) location.assign(`/d/${two.map((row) => encodeURIComponent(row.id)).join("..")}`);
  }

  private async removePicked(): Promise<void> {
    await this.removeRows(this.rows.filter((row) => this.picked.has(row.id)));
  }

  private async removeRows(rows: ProfileRow[]): Promise<void> {
    const what = rows.length === 1 ? `“${rows[0]?.name}”` : `${rows.length} profiles`;
    if (!rows.length || !(await confirmed(`Delete ${what}?`, "It is taken from the store for good."))) return;
    for (const row of rows) {
      try {
        await deleteProfile(row.id);
        this.picked.delete(row.id);
      } catch (cause) {
        toast(cause instanceof Error ? cause.message : "It could not be deleted");
      }
    }
    await this.refresh();
  }

  private take(files: File[]): void {
    void this.uploadAll(files);
  }

  /** One after the other: each shows where it is. A single file opens when it has arrived. */
  private async uploadAll(files: File[]): Promise<void> {
    const jobs = files.map((file) => ({ file, row: this.uploadRow(file) }));
    let last = "";
    let failed = 0;
    for (const { file, row } of jobs) {
      const url = await row.run();
      if (url) last = url;
      else failed++;
      void file;
    }
    if (files.length === 1 && last && !failed) location.assign(last);
    else void this.refresh();
  }

  private uploadRow(file: File): { run(): Promise<string | null> } {
    const stop = new AbortController();
    const fillBar = el("div");
    fillBar.style.width = "0";
    const bar = el("div", { class: "progress", role: "progressbar", "aria-label": `Upload of ${file.name}`, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": 0 }, fillBar);
    const stage = el("span", { class: "stage", role: "status" }, "waiting");
    const close = el("button", { class: "button quiet icon", type: "button", "aria-label": `Stop ${file.name}` }, icon("close"));
    const item = el("li", {}, el("span", { class: "file mono" }, safeName(file.name)), stage, close, bar);
    close.addEventListener("click", () => {
      stop.abort();
      item.remove();
    });
    this.uploads.append(item);
    const run = async (): Promise<string | null> => {
      if (stop.signal.aborted) return null;
      try {
        const answer = await uploadProfile(
          file,
          (sent, total) => {
            const share = total ? sent / total : 1;
            fillBar.style.width = `${share * 100}%`;
            bar.setAttribute("aria-valuenow", String(Math.round(share * 100)));
            stage.textContent = share < 1 ? `sending, ${formatBytes(sent)} of ${formatBytes(total)}` : `reading ${formatBytes(total)}`;
          },
          stop.signal,
        );
        fill(stage, `${answer.format}: `, el("a", { href: answer.url }, "open"));
        bar.remove();
        if (answer.warnings.length) stage.append(` (${answer.warnings.length} ${answer.warnings.length === 1 ? "warning" : "warnings"})`);
        return answer.url;
      } catch (cause) {
        if (stop.signal.aborted) return null;
        bar.remove();
        item.classList.add("bad");
        const detail = cause instanceof ApiError && cause.detail ? ` (${cause.detail})` : "";
        stage.textContent = `Not taken: ${cause instanceof Error ? cause.message : "no answer"}${detail}`;
        return null;
      }
    };
    return { run };
  }
}

function stateBadge(row: ProfileRow): HTMLElement {
  const words = row.state === "imported" ? row.format || "saved" : row.state === "complete" ? formatAge(row.created_unix_ms, Date.now()) : row.state;
  const badge = el("span", { class: `state-badge ${row.state}` });
  if (row.state === "live") badge.append(el("span", { class: "dot live" }));
  badge.append(safeName(words));
  badge.title = new Date(row.created_unix_ms).toLocaleString();
  return badge;
}

function firstSteps(): HTMLElement {
  return stateCard(
    "empty",
    "No profiles yet",
    el(
      "div",
      { class: "first-steps" },
      el("div", {}, el("p", {}, "Watch a program live:"), el("code", {}, "heliograph run -- python3 app.py")),
      el("div", {}, el("p", {}, "Look into one that runs already:"), el("code", {}, "heliograph attach PID")),
      el("p", {}, "Or drop a file that cProfile wrote onto this page."),
    ),
  );
}

/** A question with two answers; Escape means no. */
function confirmed(title: string, words: string): Promise<boolean> {
  return new Promise((resolve) => {
    const yes = el("button", { class: "button main", type: "button" }, "Delete");
    const no = el("button", { class: "button", type: "button" }, "Keep");
    const dialog = el(
      "dialog",
      { "aria-label": title },
      el("h2", {}, title),
      el("p", {}, words),
      el("p", { class: "detail-buttons" }, yes, " ", no),
    );
    const finish = (answer: boolean) => {
      dialog.close();
      dialog.remove();
      resolve(answer);
    };
    yes.addEventListener("click", () => finish(true));
    no.addEventListener("click", () => finish(false));
    dialog.addEventListener("cancel", () => finish(false));
    document.body.append(dialog);
    dialog.showModal();
    no.focus();
  });
}
