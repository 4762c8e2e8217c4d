import { ApiError, serverSource, type LiveCommand, type ProfileSource } from "../api/client";
import { followLive, type Connection } from "../api/live";
import { isSavedPage, savedSource } from "../api/saved";
import type { LiveMessage, Profile } from "../api/types";
import { mixRgb, pixel, readTokens, SHADES, type Rgb } from "../canvas/colours";
import { safeName } from "../canvas/text";
import { PACKAGE_SLOTS } from "../model/palette";
import { shortFile } from "../model/format";
import { compileQuery, coverage, matchFunctions } from "../model/search";
import { chooseTheme, theme, themeChoice } from "../state/theme";
import { isStep, parseState, printState, sameIds, USUAL, VIEWS, type ViewName, type ViewState } from "../state/url";
import { copyText, el, fill, frameGate, saveFile } from "../widgets/dom";
import { openMenu, type MenuItem } from "../widgets/menu";
import { stateCard, toast } from "../widgets/notice";
import { hideTooltip } from "../widgets/tooltip";
import { CallersView } from "./callers_view";
import { DetailView } from "./detail_view";
import { FlameView } from "./flame_view";
import { HeaderView, type HeaderActions } from "./header_view";
import { showHelp } from "./help";
import { LinesView } from "./lines_view";
import { MemoryView } from "./memory_view";
import { askEarly, isInTime, type EarlyFlame } from "./first_picture";
import { PageData, QUESTION_OF } from "./page_data";
import { canPin, openNoteDialog } from "./note_dialog";
import { momentTime } from "./series_plot";
import { openShareDialog } from "./share_dialog";
import { newShared } from "./shared_state";
import { SLOT_TOKENS } from "./slots";
import { StripView } from "./strip_view";
import { SunburstView } from "./sunburst_view";
import { TimeView } from "./time_view";
import { TableView } from "./table_view";
import { ThreadsView } from "./threads_view";
import { isOtherTree } from "./picture_controls";
import { knownNames, ToolbarView } from "./toolbar_view";
import type { Actions, Shared, View } from "./view";

/** The flame graph in order of time is a view of its own behind the same tab. */
type MadeView = ViewName | "time";
const madeFor = (state: ViewState): MadeView => (isInTime(state) ? "time" : state.view);

const MAKERS: Record<MadeView, new (actions: Actions) => View> = {
  sunburst: SunburstView,
  flame: FlameView,
  table: TableView,
  callers: CallersView,
  lines: LinesView,
  memory: MemoryView,
  threads: ThreadsView,
  time: TimeView,
};

const DIMMED = 0.84;
const SETTLED_SAMPLES = 300;
const SLOW_MS = 300;
/** So long a page without its picture is not drawn: mostly the picture is about to come. */
const EMPTY_MS = 80;
/** Opening is said only when it takes time: drawing that costs some, too. */
const OPENING_MS = 150;

/** What the server writes, and the shapes it needs for it. */
const EXPORTS: [format: string, label: string, shapes: string[]][] = [
  ["html", "This page as one file (.html)", []],
  ["heliograph", "Whole profile (.heliograph)", []],
  ["folded", "Folded stacks", ["stacks", "call-graph"]],
  ["speedscope", "speedscope", ["stacks", "call-graph"]],
  ["pprof", "pprof", ["stacks", "call-graph"]],
  ["pstats", "pstats", ["stacks", "call-graph"]],
  ["callgrind", "callgrind", ["stacks", "call-graph"]],
  ["chrome-trace", "Chrome trace (Perfetto)", ["stacks", "series"]],
  ["mprof", "mprof data", ["series"]],
  ["csv", "Tables as CSV", []],
  ["json", "Everything as JSON", []],
];

/** How long a file that was asked for may take before the page stops expecting it. */
const SOURCE_PATIENCE_MS = 10_000;

function recordingWords(command: LiveCommand): string {
  if (command.stop) return "The recording ends; the program goes on.";
  if (command.paused !== undefined) return command.paused ? "Nothing is recorded until you say Go on." : "Recording again.";
  return command.rate_hz ? `From now on ${command.rate_hz} samples a second.` : "";
}

/** One profile: everything linked, everything in the address. */
export class ProfilePage {
  private readonly abort = new AbortController();
  private readonly shared: Shared;
  private readonly data: PageData;
  private readonly header: HeaderView;
  private readonly toolbar: ToolbarView;
  private readonly strip: StripView;
  private readonly detail: DetailView;
  private readonly panel = el("section", { class: "panel main", id: "view", role: "tabpanel" });
  private view: { name: MadeView; view: View } | null = null;
  private waits = 0;
  private isPaused = false;
  private resume: (() => void) | null = null;
  private settled = "";
  private coloursKey: unknown[] = [];
  private searchKey: unknown[] = [];
  private readonly renderSoon = frameGate(() => this.render());
  private readonly actions: HeaderActions = {
    change: (patch) => this.change(patch),
    select: (fn) => this.change({ sel: fn }),
    zoom: (path) => this.change({ root: path, sel: path[path.length - 1] ?? this.shared.state.sel }),
    menu: (x, y, fn, path) => this.openMenu(x, y, fn, path),
    help: showHelp,
    exportMenu: () => this.exportMenu(),
    share: () => openShareDialog(this.source.id, `view=${this.shared.state.view}&${printState({ ...this.shared.state, view: USUAL.view })}`),
    control: (command) => void this.command(command, recordingWords(command)),
    pinNote: (fn) => this.pinNote(fn),
    removeNote: (number) => void this.changeNotes(this.source.removeNote(number)).catch((cause: unknown) => toast(cause instanceof Error ? cause.message : "The note is still there")),
    wantSource: (fn) => void this.command({ source: fn }, "").then((isTaken) => isTaken && this.waitForSource(fn)),
  };

  constructor(
    private readonly source: ProfileSource,
    profile: Profile,
    early: EarlyFlame,
  ) {
    const state = parseState(location.hash);
    if (state.theme) themeChoice.set(state.theme);
    if (!new URLSearchParams(location.hash.slice(1)).has("view")) state.view = usualView(profile);
    this.shared = newShared(state, profile);
    this.data = new PageData(source, this.shared, (question) => {
      if (this.view) this.renderSoon();
      else this.render(); // the first picture does not wait for a frame
      if (question === "timeline") void this.reload(); // now it is known what has to be asked closer by
    }, early);
    this.header = new HeaderView(this.actions);
    this.toolbar = new ToolbarView(this.actions);
    this.strip = new StripView(this.actions);
    this.detail = new DetailView(this.actions);
    this.listen();
    setTimeout(() => this.view ?? this.render(), EMPTY_MS);
    void this.reload();
    if (profile.state === "live") this.follow();
    else this.header.setConnection("closed", profile);
  }

  private change(patch: Partial<ViewState>): void {
    const before = this.shared.state;
    const next = { ...before, ...patch };
    this.remember(patch);
    // Who goes to a function's lines or callers without one means the hottest.
    if ((patch.view === "lines" || patch.view === "callers") && next.sel === null) next.sel = this.hottest();
    // Another tree has other paths.
    if (isOtherTree(before, next)) next.root = patch.root ?? [];
    if (next.from !== before.from || next.to !== before.to) next.sight = patch.sight ?? null;
    this.shared.state = next;
    const address = printState(next);
    if (address !== printState(before)) {
      const isBack = !isStep(patch) || (Object.keys(patch).length === 1 && "root" in patch && sameIds(before.root, next.root));
      history[isBack ? "replaceState" : "pushState"](null, "", `${location.pathname}${address ? `#${address}` : ""}`);
    }
    this.renderSoon();
    void this.reloadVisibly();
  }

  /** What a person asked for and is slow to come shows that it is coming. */
  private async reloadVisibly(): Promise<void> {
    const mine = ++this.waits;
    const timer = setTimeout(() => {
      if (mine !== this.waits) return;
      this.panel.classList.add("is-waiting");
      this.panel.setAttribute("aria-busy", "true");
    }, SLOW_MS);
    await this.reload();
    clearTimeout(timer);
    if (mine !== this.waits) return;
    this.panel.classList.remove("is-waiting");
    this.panel.removeAttribute("aria-busy");
  }

  private remember(patch: Partial<ViewState>): void {
    const { flame } = this.shared;
    for (const id of [...(patch.hide ?? []), patch.focus ?? -1]) {
      const fn = flame?.positionOf(id) ?? -1;
      if (flame && fn >= 0) knownNames.set(`f${id}`, flame.name(fn));
    }
    for (const id of patch.hideModules ?? []) this.rememberGroup("m", id, (fn) => moduleOf(flame, fn));
    for (const id of patch.hidePackages ?? []) this.rememberGroup("p", id, (fn) => flame?.package(fn) ?? "");
  }

  private rememberGroup(kind: string, id: number, nameOf: (fn: number) => string): void {
    const fn = this.shared.flame?.positionOf(id) ?? -1;
    if (fn >= 0) knownNames.set(`${kind}${id}`, nameOf(fn));
  }

  private reload(): Promise<void> {
    return this.data.load(this.shared.profile.rev);
  }

  private follow(): void {
    followLive({
      id: this.source.id,
      rev: () => this.shared.profile.rev,
      onConnection: (state) => this.onConnection(state),
      onMessage: (message) => this.onLive(message),
      signal: this.abort.signal,
    });
  }

  private onConnection(state: Connection): void {
    this.header.setConnection(state, this.shared.profile);
    if (state === "live") void this.reload();
  }

  private async onLive(message: LiveMessage): Promise<void> {
    if (this.isPaused) await new Promise<void>((done) => (this.resume = done));
    if (message.rev !== this.shared.profile.rev || message.state !== this.shared.profile.state) {
      this.shared.profile = await this.source.profile(this.abort.signal);
      this.keepValue();
      this.renderSoon();
      await this.reload();
    }
    // Ready for more when this is on the screen.
    await new Promise((done) => (document.hidden ? setTimeout(done, 1000) : requestAnimationFrame(done)));
  }

  /**
   * Which value is the usual one may change while a live profile grows; what a person looks at must
   * not. The first one with something to see stays; the address says only what was chosen.
   */
  private keepValue(): void {
    const { profile } = this.shared;
    const usual = profile.values.find((v) => v.default);
    if (!this.settled && usual && usual.samples >= SETTLED_SAMPLES) this.settled = usual.key;
    if (!this.settled || !usual || usual.key === this.settled) return;
    for (const value of profile.values) value.default = value.key === this.settled;
    this.shared.usualValue = this.settled;
  }

  /** Not before there is something in it: a frame without the picture would only delay the picture. */
  private attach(): void {
    const skip = el("a", { class: "skip", href: "#view" }, "Skip to the picture");
    skip.addEventListener("click", (event) => {
      event.preventDefault();
      this.panel.querySelector<HTMLElement>("[tabindex='0']")?.focus();
    });
    const body = el("div", { class: "body" }, this.panel, this.detail.element);
    fill(document.body, skip, el("main", { class: "profile-page" }, this.header.element, this.strip.element, this.toolbar.element, body));
  }

  private render(): void {
    const { shared } = this;
    if (!this.panel.isConnected) this.attach();
    this.updateQuery();
    this.updateColours();
    const { state } = shared;
    const made = madeFor(state);
    if (this.view?.name !== made) this.switchView(made);
    shared.problem = this.data.problemOf(made === "time" ? "timeline" : QUESTION_OF[state.view]);
    // A copy: views compare what they get with what they had.
    const shown = { ...shared };
    this.header.update(shown);
    this.toolbar.update(shown);
    this.strip.update(shown);
    this.detail.update(shown);
    this.view?.view.update(shown); // last: it draws into the room that the others leave
  }

  private updateQuery(): void {
    const { shared } = this;
    const key = [shared.state.q, shared.flame];
    if (key.every((k, i) => k === this.searchKey[i]) && this.searchKey.length) return;
    this.searchKey = key;
    if (shared.query.text !== shared.state.q) shared.query = compileQuery(shared.state.q);
    shared.hits = shared.flame ? matchFunctions(shared.flame.flame, shared.query) : null;
    shared.coverage = shared.flame && shared.hits ? coverage(shared.flame.flame.rows.slice(1), shared.hits) : null;
  }

  private updateColours(): void {
    const { shared } = this;
    const { flame, state, hits } = shared;
    const { timeline } = shared;
    const key = [flame, state.colour, hits, theme.get(), flame ? null : timeline];
    if (key.every((k, i) => k === this.coloursKey[i]) && this.coloursKey.length) return;
    if (this.coloursKey[3] !== theme.get()) shared.tokens = readTokens(SLOT_TOKENS);
    this.coloursKey = key;
    if (!flame && timeline) shared.colours.assign(timeline.packageWeights());
    if (!flame) return;
    shared.colours.assign(flame.packageWeights("total"));
    const slots = flame.colourSlots(state.colour, shared.colours);
    const { tokens } = shared;
    const pixels = tokens.slots.map(pixel);
    const dimmed = tokens.slots.map((rgb: Rgb) => pixel(mixRgb(rgb, tokens.background, DIMMED)));
    const colours = new Uint32Array(slots.length);
    for (let fn = 0; fn < slots.length; fn++)
      colours[fn] = (hits && hits[fn] !== 1 ? dimmed : pixels)[slots[fn] as number] ?? pixels[PACKAGE_SLOTS * SHADES] ?? 0;
    shared.boxColours = colours;
  }

  private switchView(name: MadeView): void {
    const hadFocus = this.panel.contains(document.activeElement);
    this.view?.view.destroy();
    hideTooltip();
    const view = new MAKERS[name](this.actions);
    this.view = { name, view };
    this.panel.setAttribute("aria-labelledby", `tab-${name === "time" ? "flame" : name}`);
    fill(this.panel, view.element);
    if (hadFocus) this.panel.querySelector<HTMLElement>("[tabindex='0']")?.focus();
  }

  private openMenu(x: number, y: number, fn: number, path: number[] | null): void {
    const { shared } = this;
    const { flame, state } = shared;
    const at = flame?.positionOf(fn) ?? -1;
    const name = this.nameOf(fn);
    const stack = path && flame ? path.map((id) => flame.name(flame.positionOf(id))).join(";") : "";
    const said = (text: string) => () => void copyText(text).then(() => toast("Copied"));
    const isRoot = path !== null && path.length === 0;
    const moduleName = safeName(at >= 0 ? moduleOf(flame, at) : "").slice(0, 60);
    const packageName = safeName(at >= 0 ? (flame?.package(at) ?? "") : "").slice(0, 60);
    const file = flame && at >= 0 ? flame.file(at) : "";
    const offers: (MenuItem | null | false)[] = [
      path && !isRoot && { label: "Zoom here", key: "↵", run: () => this.actions.zoom(path) },
      ...(isRoot
        ? []
        : ([
            state.focus === fn
              ? { label: "Leave focus", run: () => this.change({ focus: null, root: [] }) }
              : { label: "Focus: only stacks through it", run: () => this.change({ focus: fn, root: [], sel: fn }) },
            !state.group && { label: "Hide: its time goes to the caller", run: () => this.change({ hide: [...new Set([...state.hide, fn])], root: [], sel: null }) },
            moduleName !== "" && { label: `Hide all of ${moduleName}`, run: () => this.change({ hideModules: [...new Set([...state.hideModules, fn])], root: [], sel: null }) },
            packageName !== "" && packageName !== moduleName && { label: `Hide the whole package ${packageName}`, run: () => this.change({ hidePackages: [...new Set([...state.hidePackages, fn])], root: [], sel: null }) },
            null,
            { label: "Callers and callees", run: () => this.change({ sel: fn, view: "callers" }) },
            { label: "Lines", run: () => this.change({ sel: fn, view: "lines" }) },
            { label: "Search for this name", run: () => this.change({ q: `^${name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$` }) },
            null,
            { label: "Copy name", run: said(name) },
            canPin() && { label: "Pin a note…", run: () => this.pinNote(fn) },
            file.startsWith("/") && { label: "Open in the editor (VS Code)", href: `vscode://file${encodeURI(file)}:${flame?.line(at) || 1}` },
          ] satisfies (MenuItem | null | false)[])),
      stack !== "" && { label: "Copy stack", run: said(stack) },
    ];
    const items = offers.filter((item) => item !== false);
    while (items[0] === null) items.shift();
    if (items.length) openMenu(x, y, safeName(name).slice(0, 120), items);
  }

  private pinNote(fn: number | null): void {
    const { from, to } = this.shared.state;
    const { duration_s } = this.shared.profile;
    const hasWindow = from !== null || to !== null;
    const begin = from ?? 0;
    const end = Math.max(begin, to ?? duration_s);
    const name = fn === null ? "" : this.nameOf(fn);
    const where = [name && `To ${safeName(name).slice(0, 200)}`, hasWindow && `${name ? "from" : "To the window from"} ${momentTime(begin, duration_s)} to ${momentTime(end, duration_s)}`].filter(Boolean).join(", ");
    openNoteDialog(where || "To the whole profile", (text) =>
      this.changeNotes(this.source.addNote({ text, ...(fn === null ? {} : { function: fn }), ...(hasWindow ? { from_s: begin, to_s: end } : {}) })),
    );
  }

  private async changeNotes(change: Promise<void>): Promise<void> {
    await change;
    this.data.forgetNotes();
    this.reload();
  }

  private hottest(): number | null {
    const { flame } = this.shared;
    const fn = flame && !flame.isPreview ? flame.hottest(1)[0] : undefined;
    return flame && fn !== undefined ? flame.idOf(fn) : null;
  }

  private nameOf(fn: number): string {
    const { flame, table, callers } = this.shared;
    const at = flame?.positionOf(fn) ?? -1;
    if (flame && at >= 0) return flame.name(at);
    const row = table?.columns.id.indexOf(fn) ?? -1;
    return row >= 0 ? (table?.columns.name[row] ?? "") : callers?.function.id === fn ? callers.function.name : "";
  }

  /** False when the collector could not be asked. */
  private async command(command: LiveCommand, words: string): Promise<boolean> {
    try {
      await this.source.control(command);
    } catch (cause) {
      toast(cause instanceof Error ? cause.message : "the collector could not be asked");
      return false;
    }
    if (words) toast(words);
    return true;
  }

  /** The next update brings it; a collector that refuses says so in a notice of the profile. */
  private waitForSource(fn: number): void {
    this.shared.wantedSource = fn;
    this.renderSoon();
    setTimeout(() => {
      if (this.shared.wantedSource !== fn) return;
      this.shared.wantedSource = null;
      this.renderSoon();
    }, SOURCE_PATIENCE_MS);
  }

  private exportMenu(): MenuItem[] {
    const { shapes, name } = this.shared.profile;
    const { file } = this.source;
    const whole = () => file && saveFile(`${safeName(name) || "profile"}.heliograph`, file);
    const items: MenuItem[] = file ? [{ label: "Whole profile (.heliograph)", run: whole }] : EXPORTS.filter(
      ([, , needs]) => !needs.length || needs.some((shape) => shapes.includes(shape)),
    ).map(([format, label]) => ({ label, href: this.source.exportUrl(format) }));
    const picture = this.view?.view.picture?.();
    const view = this.view?.view;
    if (view?.drawing)
      items.unshift({
        label: "This picture as SVG",
        run: () => saveFile(`${this.source.id}-${this.shared.state.view}.svg`, new Blob([view.drawing?.() ?? ""], { type: "image/svg+xml" })),
      });
    if (picture) items.unshift({ label: "This picture as PNG", run: () => this.savePicture(picture) });
    items.push({ label: "Print", run: () => window.print() });
    return items;
  }

  private savePicture(picture: HTMLCanvasElement): void {
    const copy = el("canvas", { width: picture.width, height: picture.height });
    const context = copy.getContext("2d");
    if (!context) return;
    context.fillStyle = `rgb(${this.shared.tokens.background.join(" ")})`;
    context.fillRect(0, 0, copy.width, copy.height);
    context.drawImage(picture, 0, 0);
    copy.toBlob((blob) => {
      if (blob) saveFile(`${this.source.id}-${this.shared.state.view}.png`, blob);
    });
  }

  private listen(): void {
    const { signal } = this.abort;
    window.addEventListener("popstate", () => {
      const next = parseState(location.hash);
      if (!new URLSearchParams(location.hash.slice(1)).has("view")) next.view = usualView(this.shared.profile);
      this.shared.state = next;
      if (next.theme) themeChoice.set(next.theme);
      this.renderSoon();
      void this.reload();
    }, { signal });
    theme.watch(() => this.renderSoon(), signal);
    window.addEventListener("keydown", (event) => this.onKey(event), { signal });
    window.addEventListener("beforeprint", () => this.render(), { signal });
  }

  private onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = event.target as HTMLElement;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) || target.closest("dialog, .menu")) return;
    const view = VIEWS[Number(event.key) - 1];
    if (view) this.change({ view });
    else if (event.key === "/") {
      this.toolbar.search.focus();
      this.toolbar.search.select();
    } else if (event.key === "?") showHelp();
    else if (event.key === "o") {
      this.change({ view: "flame", order: isInTime(this.shared.state) ? "merged" : "time" });
    } else if (event.key === "t" || event.key === "T") {
      chooseTheme(theme.get() === "dark" ? "light" : "dark");
    } else if (event.key === "Escape" || event.key === "Backspace") this.stepBack(event.key === "Escape");
    else if (event.key === " " && target.tagName !== "BUTTON") this.togglePause();
    else return;
    event.preventDefault();
  }

  private stepBack(isEscape: boolean): void {
    const { state } = this.shared;
    if (isEscape && state.q) this.change({ q: "" });
    else if (this.view?.view.stepBack?.()) return;
    else if (isEscape && state.sel !== null) this.change({ sel: null });
    else if (isEscape && (state.from !== null || state.to !== null)) this.change({ from: null, to: null });
  }

  private togglePause(): void {
    if (this.shared.profile.state !== "live") return;
    this.isPaused = !this.isPaused;
    if (!this.isPaused) {
      this.resume?.();
      this.resume = null;
    }
    toast(this.isPaused ? "Paused: the program is still being followed. Space goes on." : "Following again");
  }
}

/** As the server groups: the module, else the file. */
function moduleOf(flame: Shared["flame"], fn: number): string {
  return flame ? flame.module(fn) || shortFile(flame.file(fn)) : "";
}

function usualView(profile: Profile): ViewName {
  const has = (shape: string) => profile.shapes.includes(shape);
  if (has("stacks") || has("call-graph") || profile.state === "live") return "sunburst";
  return has("series") ? "memory" : has("lines") ? "lines" : "sunburst";
}

/** Opens /p/ID. */
export function openProfile(id: string): Promise<void> {
  return open(() => serverSource(id));
}

/** Opens the profile inside this very page. */
export function openSaved(): Promise<void> {
  return open(savedSource);
}

/** What stands in the way is said on a whole page. */
async function open(find: () => ProfileSource | Promise<ProfileSource>): Promise<void> {
  const slow = setTimeout(() => fill(document.body, el("main", {}, stateCard("loading", "Opening the profile"))), OPENING_MS);
  try {
    const source = await find();
    const early = askEarly(source, parseState(location.hash));
    const profile = await source.profile();
    clearTimeout(slow);
    // Benchmarks have no functions to draw; what they tell is how they changed.
    if (profile.shapes.join() === "benchmarks" && !isSavedPage()) location.replace("/benchmarks");
    else new ProfilePage(source, profile, early);
  } catch (cause) {
    clearTimeout(slow);
    const isMissing = cause instanceof ApiError && cause.status === 404;
    const words = cause instanceof Error ? cause.message : "";
    const again = el("button", { class: "button main", type: "button" }, "Try again");
    again.addEventListener("click", () => void open(find));
    fill(
      document.body,
      el(
        "main",
        {},
        stateCard(
          "bad",
          isMissing ? "There is no such profile" : "The profile could not be opened",
          isMissing ? "It may have been deleted, or the address is not complete." : words,
          isMissing || isSavedPage() ? "" : again,
          isSavedPage() ? "" : el("p", {}, el("a", { href: "/" }, "All profiles")),
        ),
      ),
    );
  }
}
