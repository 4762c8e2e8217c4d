import type { ProfileSource } from "../api/client";
import { ApiError } from "../api/client";
import type { Filter, Flame, PictureOptions, ProfileState, SeriesData } from "../api/types";
import { endBeforeExit } from "../model/series";
import { hasHeap, measureOf } from "../model/memory";
import { FlameModel } from "../model/flame_model";
import { detailWindow, TimelineModel } from "../model/timeline_model";
import type { ViewState } from "../state/url";
import { askAllSeries, earlyKey, filterOf, isInTime, pictureOf, PREVIEW_FRACTION, TIME_PIXELS, untilMoment, type EarlyFlame } from "./first_picture";
import type { Shared } from "./view";

const ALERTS_EVERY_MS = 3000;
const STRIP_POINTS = 1500;
const PLACES = 200;
const MOST_BUCKETS = 300;
const SAMPLES_PER_BUCKET = 5;
/** A live picture need not hold what nobody can see. */
const LIVE_MIN_FRACTION = 1 / 20_000;
const LIVE_MIN_FROM_NODES = 60_000;

interface Question {
  name: string;
  key: string;
  ask(signal: AbortSignal): Promise<void>;
}

/**
 * Asks the server for what is shown and nothing else. A question is asked again when the profile
 * has grown or the filter has changed; an answer that comes too late is dropped.
 */
export class PageData {
  private readonly answered = new Map<string, string>();
  private readonly running = new Map<string, { key: string; abort: AbortController; done: Promise<void> }>();
  private readonly problems = new Map<string, string>();

  private noteRevision = 0;
  /** What stands beside the first picture is not asked for, nor drawn, before it. */
  private tellFirst: () => void = () => undefined;
  private readonly first = new Promise<void>((done) => (this.tellFirst = done));

  constructor(
    private readonly source: ProfileSource,
    private readonly shared: Shared,
    private readonly onAnswer: (question: string) => void,
    private early: EarlyFlame | null,
  ) {}

  /** Resolves when everything that is shown is of revision `rev`. */
  async load(rev: number): Promise<void> {
    const waits: Promise<void>[] = [];
    for (const question of this.questions(rev)) {
      if (this.answered.get(question.name) === question.key) continue;
      const running = this.running.get(question.name);
      if (running?.key === question.key) {
        waits.push(running.done);
        continue;
      }
      running?.abort.abort();
      waits.push(this.start(question));
    }
    await Promise.all(waits);
  }

  /** The notes are asked for again with the next questions. */
  forgetNotes(): void {
    this.noteRevision++;
  }

  problemOf(question: string): string {
    return this.problems.get(question) ?? "";
  }

  stop(): void {
    for (const { abort } of this.running.values()) abort.abort();
  }

  private start(question: Question): Promise<void> {
    const abort = new AbortController();
    const run = async () => {
      try {
        await question.ask(abort.signal);
        if (abort.signal.aborted) return;
        this.problems.delete(question.name);
        this.answered.set(question.name, question.key);
      } catch (cause) {
        if (abort.signal.aborted) return;
        const words = cause instanceof ApiError || cause instanceof Error ? cause.message : "no answer";
        this.problems.set(question.name, words);
      }
      if (this.running.get(question.name)?.abort === abort) this.running.delete(question.name);
      this.onAnswer(question.name);
      if (question.name === (isInTime(this.shared.state) ? "timeline" : "flame")) void nextFrame().then(this.tellFirst);
    };
    const done = run();
    this.running.set(question.name, { key: question.key, abort, done });
    return done;
  }

  private questions(rev: number): Question[] {
    const { shared, source } = this;
    const { state, profile } = shared;
    const filter = filterOf(state);
    filter.value ||= shared.usualValue;
    const filterKey = `${rev}/${JSON.stringify(filter)}`;
    const list: Question[] = [];
    const put: Put = (name, key, ask) =>
      list.push({
        name,
        key,
        async ask(signal) {
          const keep = await ask(signal);
          if (!signal.aborted) keep();
        },
      });

    const putBeside: Put = (name, key, ask) =>
      put(name, key, async (signal) => {
        if (state.view !== "memory") await this.first;
        return ask(signal);
      });

    const isLarge = (shared.flame?.flame.head.nodes ?? 0) > LIVE_MIN_FROM_NODES;
    const inTime = isInTime(state);
    const min = profile.state === "live" && isLarge ? LIVE_MIN_FRACTION : 0;
    const picture = pictureOf(state);
    const pictureKey = `${filterKey}/${picture.group}/${picture.collapse}`;
    const takeEarly = (isTime: boolean) => {
      if (isTime !== inTime || this.early?.key !== earlyKey(state)) return null;
      const { flame } = this.early;
      this.early = null;
      return flame;
    };
    if (inTime) this.putTimeline(put, filter, picture, pictureKey, takeEarly);
    // What is looked at comes first: one question at a time is answered for a profile.
    if (!inTime || this.answered.get("timeline") === pictureKey || this.problems.has("timeline"))
      put("flame", `${pictureKey}/${state.invert}`, async (signal) => {
        const ask = (least: number) => source.flame(filter, { ...picture, invert: state.invert, min: least }, signal);
        const early = takeEarly(false);
        if (shared.flame || inTime) {
          const flame = await (early ?? ask(min));
          return () => (shared.flame = new FlameModel(flame));
        }
        // The first picture is drawn from what can be seen of it; the rest follows.
        const first = await (early ?? ask(PREVIEW_FRACTION));
        if (first.head.pruned === 0 || signal.aborted) return () => (shared.flame = new FlameModel(first));
        shared.flame = new FlameModel(first, true);
        this.onAnswer("flame");
        await nextFrame();
        this.tellFirst();
        const whole = new FlameModel(await ask(min));
        return () => (shared.flame = whole);
      });
    if (state.view === "table")
      put("table", filterKey, async (signal) => {
        const table = await source.table(filter, signal);
        return () => (shared.table = table);
      });
    if (state.sel !== null) {
      const fn = state.sel;
      put("callers", `${filterKey}/${fn}`, async (signal) => {
        const callers = await source.callers(filter, fn, signal);
        return () => (shared.callers = callers);
      });
      if (state.view === "lines")
        put("lines", `${filterKey}/${fn}`, async (signal) => {
          const [rows, text] = await Promise.all([
            source.lines(filter, fn, signal),
            shared.lines?.fn === fn && (shared.lines.source || shared.wantedSource !== fn) ? Promise.resolve(shared.lines.source) : source.source(fn, signal),
          ]);
          return () => {
            shared.lines = { rows, source: text, fn };
            if (text && shared.wantedSource === fn) shared.wantedSource = null;
          };
        });
    }
    const whole = { from: null, to: null };
    putBeside("series", String(rev), async (signal) => {
      const series = await source.series(["rss", "heap", "cpu"], "tree", whole, STRIP_POINTS, signal);
      const some = series.length ? series : await source.series([], "any", whole, STRIP_POINTS, signal);
      return () => (shared.series = withoutExit(some, profile.state));
    });
    // A server from before there were notes, or a link that shows none.
    putBeside("notes", String(this.noteRevision), async (signal) => {
      const notes = await source.notes(signal).catch((cause: unknown) => (cause instanceof ApiError ? [] : Promise.reject(cause)));
      return () => (shared.notes = notes);
    });
    // A live one may raise some at any time, and tells no revision of them.
    const alertsOf = profile.state === "live" ? String(Math.floor(Date.now() / ALERTS_EVERY_MS)) : "ended";
    putBeside("alerts", alertsOf, async (signal) => {
      const alerts = await source.alerts(signal).catch((cause: unknown) => (cause instanceof ApiError ? [] : Promise.reject(cause)));
      return () => (shared.alerts = alerts);
    });
    putBeside("spans", String(rev), async (signal) => {
      const spans = await source.spans(signal);
      return () => (shared.spans = spans);
    });
    if (state.view === "memory")
      put("allSeries", String(rev), async (signal) => {
        const series = await askAllSeries(source, signal);
        return () => (shared.allSeries = withoutExit(series, profile.state));
      });
    if (state.view === "memory" && hasHeap(profile)) {
      const heapFilter = { ...filter, value: "", focus: state.focus, ...untilMoment(state) };
      const options = { by: state.by, sort: measureOf(state, profile), base: state.base, limit: PLACES };
      put("memory", `${rev}/${JSON.stringify([heapFilter, options])}`, async (signal) => {
        const memory = await source.memory(heapFilter, options, signal);
        return () => (shared.memory = memory);
      });
      const leakFilter = { ...heapFilter, from: state.from, to: state.to };
      put("leaks", `${rev}/${JSON.stringify(leakFilter)}`, async (signal) => {
        const leaks = await source.leaks(leakFilter, signal);
        return () => (shared.leaks = leaks);
      });
    }
    if (state.view === "threads")
      put("activity", `${rev}/${state.from}/${state.to}`, async (signal) => {
        const activity = await source.activity(bucketsFor(shared), state, signal);
        return () => (shared.activity = activity);
      });
    return list;
  }

  private putTimeline(
    put: Put,
    filter: Filter,
    picture: PictureOptions,
    key: string,
    takeEarly: (isTime: boolean) => Promise<Flame> | null,
  ): void {
    const { shared, source } = this;
    const { state } = shared;
    const window = { from: state.from, to: state.to };
    put("timeline", key, async (signal) => {
      const flame = await (takeEarly(true) ?? source.timeline(filter, { ...picture, pixels: TIME_PIXELS, window }, signal));
      return () => {
        shared.timeline = new TimelineModel(flame);
        shared.timeDetail = null;
      };
    });
    if (this.answered.get("timeline") !== key) return; // how fine it is, is not known yet
    const finer = detailWindow(shared.timeline, shared.timeDetail, state.sight);
    if (!finer) return;
    put("timeDetail", `${key}/${finer.from}/${finer.to}`, async (signal) => {
      const flame = await source.timeline(filter, { ...picture, pixels: TIME_PIXELS * 2, window: finer }, signal);
      return () => (shared.timeDetail = new TimelineModel(flame));
    });
  }
}

/** After what was planned is on the screen; a page that nobody sees draws nothing. */
function nextFrame(): Promise<void> {
  return new Promise((done) => {
    if (document.hidden) done();
    else requestAnimationFrame(() => setTimeout(done));
  });
}

type Put = (name: string, key: string, ask: (signal: AbortSignal) => Promise<() => void>) => void;

/** A bucket of few samples says more about chance than about the thread. */
function bucketsFor({ profile, state }: Shared): number {
  const seconds = (state.to ?? profile.duration_s) - (state.from ?? 0);
  const expected = (profile.rate_hz || 100) * seconds;
  return Math.max(10, Math.min(MOST_BUCKETS, Math.floor(expected / SAMPLES_PER_BUCKET)));
}

function withoutExit(all: readonly SeriesData[], state: ProfileState): SeriesData[] {
  return state === "live" ? [...all] : all.map(endBeforeExit);
}

/** The question whose refusal a view has to tell. */
export const QUESTION_OF: Record<ViewState["view"], string> = {
  sunburst: "flame",
  flame: "flame",
  table: "table",
  callers: "callers",
  lines: "lines",
  memory: "allSeries",
  threads: "activity",
};
