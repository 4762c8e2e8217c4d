import type { Alert } from "../api/alerts";
import type { Activity, CallersAnswer, Leaks, LineRow, MemoryAnswer, Note, Profile, SeriesData, SourceAnswer, SpanData, TableAnswer } from "../api/types";
import type { Tokens } from "../canvas/colours";
import type { FlameModel } from "../model/flame_model";
import type { TimelineModel } from "../model/timeline_model";
import type { PackageColours } from "../model/palette";
import type { Coverage, Query } from "../model/search";
import type { ViewState } from "../state/url";

/** A view owns one element, draws what it is given, reports what people do. */
export interface View {
  readonly element: HTMLElement;
  update(shared: Shared): void;
  destroy(): void;
  /** The picture, for export; null when the view is not one. */
  picture?(): HTMLCanvasElement | null;
  /** The same as an SVG document. */
  drawing?(): string | null;
  /** Escape and Backspace, when the view has something to step back from. */
  stepBack?(): boolean;
}

/** Everything the views are drawn from. Parts that were never asked for are null. */
export interface Shared {
  state: ViewState;
  profile: Profile;
  tokens: Tokens;
  colours: PackageColours;
  query: Query;
  flame: FlameModel | null;
  /** By position in flame.head.functions; null without a search. */
  hits: Uint8Array | null;
  coverage: Coverage | null;
  /** ImageData pixels by position in flame.head.functions, dimmed where the search misses. */
  boxColours: Uint32Array;
  /** The whole window in order of time, and a part of it closer by. */
  timeline: TimelineModel | null;
  timeDetail: TimelineModel | null;
  table: TableAnswer | null;
  callers: CallersAnswer | null;
  lines: { rows: LineRow[]; source: SourceAnswer | null; fn: number } | null;
  /** The function whose file the collector was asked for; its text comes with one of the next updates. */
  wantedSource: number | null;
  series: SeriesData[] | null;
  allSeries: SeriesData[] | null;
  spans: SpanData[];
  notes: Note[];
  alerts: Alert[];
  memory: MemoryAnswer | null;
  leaks: Leaks | null;
  activity: Activity | null;
  /** The value that is shown without a choice, where it is not the server's usual one. */
  usualValue: string;
  /** Two profiles are compared: pictures show both, and what changed. */
  isCompared?: boolean;
  /** The question this view asked was refused. */
  problem: string;
}

export interface Actions {
  change(patch: Partial<ViewState>): void;
  /** Chooses a function everywhere. */
  select(fn: number | null): void;
  /** Function ids from below the root; also chooses the last of them. */
  zoom(path: number[]): void;
  /** The menu of a function; `path` when it is a box. */
  menu(x: number, y: number, fn: number, path: number[] | null): void;
  /** Opens the form for a note about this function (or none) in the chosen window. */
  pinNote(fn: number | null): void;
  removeNote(number: number): void;
  /** Asks the collector for the file of this function, to be kept with the profile. */
  wantSource(fn: number): void;
}
