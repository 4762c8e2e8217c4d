import { isSavedPage } from "../api/saved";
import type { LiveCommand } from "../api/client";
import type { Connection } from "../api/live";
import type { Profile, ValueInfo } from "../api/types";
import { safeName } from "../canvas/text";
import { formatAmount, formatBytes, formatClock, formatCount, formatSeconds } from "../model/format";
import { errorText, sampleStep } from "../model/memory";
import { groupValues, valueMeaning, valueShown, valueTitle } from "../model/values";
import { sharedLink } from "../state/link";
import { chooseTheme, themeChoice } from "../state/theme";
import { el, fill, icon, type IconName } from "../widgets/dom";
import { openMenu, type MenuItem } from "../widgets/menu";
import { segments, type Segments } from "../widgets/segments";
import type { Actions, Shared, View } from "./view";

export interface HeaderActions extends Actions {
  help(): void;
  exportMenu(): MenuItem[];
  share(): void;
  control(command: LiveCommand): void;
}

const THEMES: Record<string, [IconName, string]> = {
  system: ["auto", "Theme: as the system"],
  light: ["sun", "Theme: light"],
  dark: ["moon", "Theme: dark"],
};

/** Name, one sentence that says what matters, state, and what can be done with the whole. */
export class HeaderView implements View {
  readonly element = el("header");
  private readonly title = el("h1");
  private readonly badge = el("span", { class: "badge", role: "status" });
  private readonly verdict = el("p", { class: "verdict" });
  private readonly facts = el("div", { class: "facts" });
  private readonly values = el("span", { class: "values" });
  private readonly chips = el("span", { class: "facts-chips" });
  private readonly themeButton: HTMLButtonElement;
  private valueSwitch: Segments<string> | null = null;
  private otherValues: HTMLSelectElement | null = null;
  private valueKey = "\u0000";
  private chipsKey = "";
  private connection: Connection = "closed";
  private readonly recording = el("button", { class: "button quiet wide", type: "button", "aria-haspopup": "menu", title: "Pause, slow down or end the recording; the program goes on", hidden: true }, icon("record"), "Recording");
  private readonly abort = new AbortController();

  constructor(private readonly actions: HeaderActions) {
    const share = el("button", { class: "button", type: "button", title: "Share exactly this view", "aria-label": "Share exactly this view", "aria-haspopup": "dialog" }, icon("share"), el("span", { class: "text" }, "Share"));
    share.addEventListener("click", () => actions.share());
    share.hidden = isSavedPage(); // the address is a file on this machine
    const exporter = el("button", { class: "button quiet wide", type: "button", "aria-haspopup": "menu" }, icon("download"), "Export");
    exporter.addEventListener("click", () => {
      const box = exporter.getBoundingClientRect();
      openMenu(box.left, box.bottom + 4, "", actions.exportMenu());
    });
    this.recording.addEventListener("click", () => {
      const box = this.recording.getBoundingClientRect();
      openMenu(box.left, box.bottom + 4, "The program goes on in any case", recordingMenu(actions));
    });
    this.themeButton = themeSwitch(this.abort.signal, () => actions.change({ theme: null }));
    const help = el("button", { class: "button quiet icon", type: "button", title: "Keys and help (?)", "aria-label": "Keys and help" }, icon("help"));
    help.addEventListener("click", () => actions.help());
    this.element.append(
      el(
        "div",
        { class: "top" },
        logo(),
        el("div", { class: "words" }, el("div", { class: "name-line" }, this.title, this.badge), this.verdict),
        el("div", { class: "actions" }, this.recording, exporter, sharedLink() ? null : share, this.themeButton, help),
      ),
      el("div", { class: "facts" }, this.values, this.chips),
    );
    this.facts = this.element.querySelector(".facts") as HTMLDivElement;
    this.chips.style.display = "contents";
    this.facts.setAttribute("aria-label", "Facts");
    this.facts.setAttribute("role", "group");
  }

  setConnection(connection: Connection, profile: Profile | null): void {
    this.connection = connection;
    if (profile) this.updateBadge(profile);
  }

  update(shared: Shared): void {
    const { profile } = shared;
    const name = safeName(profile.name || profile.id);
    this.title.textContent = name;
    document.title = `${name} · Heliograph`;
    this.verdict.textContent = safeName(profile.summary || usualVerdict(shared));
    this.verdict.title = this.verdict.textContent;
    this.updateBadge(profile);
    this.recording.hidden = profile.state !== "live" || sharedLink() !== null;
    this.updateValues(shared);
    this.updateChips(shared);
  }

  destroy(): void {
    this.abort.abort();
  }

  private updateBadge(profile: Profile): void {
    const words: [string, string] =
      profile.state === "live"
        ? this.connection === "live"
          ? ["live", "live"]
          : this.connection === "reconnecting"
            ? ["broken", "connection lost, trying again"]
            : ["waiting", "connecting"]
        : profile.state === "interrupted"
          ? ["waiting", "interrupted"]
          : ["", profile.state === "imported" ? "saved profile" : "complete"];
    const text = `${words[0]} ${words[1]}`;
    if (this.badge.dataset["words"] === text) return;
    this.badge.dataset["words"] = text;
    fill(this.badge, el("span", { class: `dot ${words[0]}` }), words[1]);
    this.badge.title =
      profile.state === "interrupted" ? "The collector vanished; everything it had sent is here." : "";
  }

  private updateValues(shared: Shared): void {
    const { values } = shared.profile;
    const key = values.map((v) => `${v.key}${v.default}`).join();
    if (key !== this.valueKey) {
      this.valueKey = key;
      const choose = (value: string) =>
        this.actions.change({ value: values.find((v) => v.key === value)?.default ? "" : value, root: [] });
      const { near, bytes, counts } = groupValues(values);
      const title = (v: ValueInfo) => safeName(valueTitle(v, values)).slice(0, 40);
      this.valueSwitch =
        near.length + bytes.length + counts.length > 1
          ? segments("Value", near.map((v) => ({ value: v.key, label: title(v), title: valueMeaning(v) })), choose)
          : null;
      this.otherValues = this.valueSwitch && bytes.length + counts.length ? el("select", { class: "field", "aria-label": near.length ? "Other values" : "Value" }) : null;
      if (this.otherValues && near.length)
        this.otherValues.append(el("option", { value: "", hidden: true }, bytes.length ? "memory…" : "more…"));
      const put = (label: string, some: ValueInfo[]) => {
        if (!some.length) return;
        const group = el("optgroup", { label });
        for (const v of some) group.append(el("option", { value: v.key, title: valueMeaning(v) }, title(v)));
        this.otherValues?.append(group);
      };
      put("Memory, in bytes", bytes);
      put(bytes.length ? "Memory, counted" : "Counted", counts);
      this.otherValues?.addEventListener("change", () => choose(this.otherValues?.value ?? ""));
      fill(this.values, near.length ? this.valueSwitch?.element : null, this.otherValues);
      this.values.hidden = !this.valueSwitch;
    }
    const now = valueShown(values, shared.state.value);
    this.valueSwitch?.set(now?.key ?? "");
    if (this.otherValues) {
      const isFar = [...this.otherValues.options].some((o) => o.value !== "" && o.value === now?.key);
      this.otherValues.value = isFar ? (now?.key ?? "") : "";
      this.otherValues.classList.toggle("is-on", isFar);
      this.otherValues.title = isFar && now ? valueMeaning(now) : "Show memory instead of time";
    }
  }

  private updateChips(shared: Shared): void {
    const { profile, state } = shared;
    const chips: HTMLElement[] = [];
    const fact = (bold: string, words: string, kind = "", hint = "") =>
      chips.push(el("span", { class: `chip ${kind}`, title: hint }, el("b", {}, bold), words));
    const value = valueShown(profile.values, state.value);
    if (value && value.total > 0)
      fact(formatAmount(value.total, value.unit) + (value.set === "heap" && value.unit === "bytes" ? ` ${errorText(value.total, sampleStep(profile))}`.trimEnd() : ""), value.name === "time" ? "total" : safeName(valueTitle(value, profile.values)).slice(0, 40), "", valueMeaning(value));
    const samples = value?.samples || profile.counters["samples"] || 0;
    const has = (shape: string) => profile.shapes.includes(shape);
    const step = sampleStep(profile);
    if (value?.set === "heap") {
      if (step > 0) fact("estimated", `from one in ${formatBytes(step)}`, "", "Allocations are sampled by bytes; the sums are unbiased estimates, ± is their standard error.");
    } else if (samples > 0 && has("stacks")) fact(formatCount(samples), "samples");
    if (samples > 0 && !has("stacks") && has("call-graph")) fact(formatCount(samples), "functions");
    if (profile.duration_s > 0 && (has("stacks") || has("series"))) fact(profile.duration_s < 120 ? formatSeconds(profile.duration_s) : formatClock(profile.duration_s), "long");
    if (profile.rate_hz > 0 && profile.shapes.includes("stacks")) fact(`${formatCount(profile.rate_hz)} Hz`, profile.mode);
    if (profile.runtime) fact(safeName(profile.runtime).slice(0, 40), "");
    else if (profile.format && profile.format !== "heliograph") fact(safeName(profile.format).slice(0, 40), "");
    if (profile.threads.length > 1) fact(formatCount(profile.threads.length), "threads");
    if (profile.processes.length > 1) fact(formatCount(profile.processes.length), "processes");
    this.linkChip(fact);
    this.honestChips(profile, fact);
    const key = chips.map((c) => c.textContent).join("|");
    if (key === this.chipsKey) return;
    this.chipsKey = key;
    fill(this.chips, ...chips);
  }

  /** Who came by a link is told what it shows and how long. */
  private linkChip(fact: (bold: string, words: string, kind?: string, hint?: string) => void): void {
    const link = sharedLink();
    if (!link) return;
    const until = link.expires_unix_ms === null ? "" : `until ${new Date(link.expires_unix_ms).toLocaleDateString()}`;
    fact("shared link", `${link.redacted ? "redacted " : ""}${until}`.trim(), "", link.redacted ? "Folders, arguments, host names, tags and source lines were left out by the server." : "To look, not to change.");
  }

  /** What was not seen is said, never hidden. */
  private honestChips(
    profile: Profile,
    fact: (bold: string, words: string, kind?: string, hint?: string) => void,
  ): void {
    const count = (name: string) => profile.counters[name] ?? 0;
    if (count("torn") > 0) fact(formatCount(count("torn")), "torn", "", "The program moved on while it was read; these were thrown away, not guessed.");
    if (count("stopped") > 0) fact(formatCount(count("stopped")), "read while stopped", "", "These samples needed the thread to be held for a moment.");
    if (count("skipped") > 0) fact(formatCount(count("skipped")), "skipped", "", "Their thread changed too fast to be read while it ran, and the time it may be held for that was used up. The next sample stands for their time.");
    if (count("native_cut") + count("native_unplaced") > 0)
      fact(formatCount(count("native_cut") + count("native_unplaced")), "native stacks cut", "", "Their native frames could not be followed to the end; the stack shows where.");
    if (count("native_unread") > 0) fact(formatCount(count("native_unread")), "without native frames", "warn", "Their thread may not be stopped to read them.");
    if (count("native_skipped") > 0) fact(formatCount(count("native_skipped")), "skipped", "warn", "The time a thread may be held for native frames was used up.");
    if (count("missed") > 0) fact(formatCount(count("missed")), "missed", "warn", "The sampler came too late for these moments.");
    if (count("dropped") > 0) fact(formatCount(count("dropped")), "dropped", "bad", "These could not be sent or stored.");
    if (count("gaps") > 0) fact(formatCount(count("gaps")), "gaps", "bad");
    for (const notice of profile.notices.slice(0, 3)) {
      const text = safeName(notice.text);
      fact("", text.length > 90 ? `${text.slice(0, 88)}…` : text, notice.severity >= 2 ? "bad" : notice.severity === 1 ? "warn" : "", text.slice(0, 600));
    }
  }
}

function recordingMenu(actions: HeaderActions): MenuItem[] {
  const rates = [10, 100, 1000];
  return [
    { label: "Pause", run: () => actions.control({ paused: true }) },
    { label: "Go on", run: () => actions.control({ paused: false }) },
    ...rates.map((rate) => ({ label: `${formatCount(rate)} samples a second`, run: () => actions.control({ rate_hz: rate }) })),
    { label: "End the recording", run: () => actions.control({ stop: true }) },
  ];
}

export function logo(): HTMLElement {
  const source = document.querySelector<HTMLLinkElement>("link[rel=icon]")?.getAttribute("href") ?? "";
  const picture = el("img", { src: source, alt: "", width: 34, height: 34 });
  if (isSavedPage() || sharedLink()) return el("span", { class: "logo", title: "Heliograph" }, picture);
  return el("a", { class: "logo", href: "/", title: "All profiles", "aria-label": "Heliograph: all profiles" }, picture);
}

/** Light, dark, as the system: one button that steps through them. */
export function themeSwitch(signal: AbortSignal, onChoose: () => void): HTMLButtonElement {
  const button = el("button", { class: "button quiet icon", type: "button" });
  const show = () => {
    const [name, words] = THEMES[themeChoice.get()] ?? ["auto", "Theme"];
    fill(button, icon(name));
    button.title = words;
    button.setAttribute("aria-label", words);
  };
  button.addEventListener("click", () => {
    const order = ["system", "light", "dark"] as const;
    chooseTheme(order[(order.indexOf(themeChoice.get()) + 1) % 3] ?? "system");
    onChoose();
  });
  themeChoice.watch(show, signal);
  show();
  return button;
}

function usualVerdict(shared: Shared): string {
  const { profile } = shared;
  if (profile.state === "live") return "Collecting…";
  return profile.argv.length ? profile.argv.join(" ") : "";
}
