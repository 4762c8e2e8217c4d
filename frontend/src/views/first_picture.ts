import type { ProfileSource } from "../api/client";
import type { Filter, Flame, PictureOptions, SeriesData } from "../api/types";
import { isHeapKey } from "../model/memory";
import type { ViewState } from "../state/url";

const MEMORY_POINTS = 3000;
export const TIME_PIXELS = 2400;
/** Narrower boxes are less than a third of a pixel on a wide screen. */
export const PREVIEW_FRACTION = 1 / 6000;

export function filterOf(state: ViewState): Filter {
  const isAsOf = state.at !== null && isHeapKey(state.value);
  return {
    value: state.value,
    ...(isAsOf ? untilMoment(state) : { from: state.from, to: state.to }),
    threads: state.threads,
    processes: state.processes,
    states: state.states,
    domains: state.domains,
    focus: state.focus,
    hide: state.hide,
    hideModules: state.hideModules,
    hidePackages: state.hidePackages,
  };
}

export function pictureOf(state: ViewState): PictureOptions {
  return { group: state.group, collapse: state.collapse };
}

/** Asked about a moment, the window ends with it: `to` is exclusive, and an address has microseconds. */
export function untilMoment({ from, to, at }: ViewState): { from: number | null; to: number | null } {
  if (at === null) return { from, to };
  return { from: from !== null && from < at ? from : null, to: at + 1e-6 };
}

/** All series, as fine as the memory view draws them. */
export function askAllSeries(source: ProfileSource, signal?: AbortSignal): Promise<SeriesData[]> {
  return source.series([], "any", { from: null, to: null }, MEMORY_POINTS, signal);
}

/** The first picture is asked for before the page knows what profile it has. */
export interface EarlyFlame {
  key: string;
  flame: Promise<Flame>;
}

export function isInTime(state: ViewState): boolean {
  return state.view === "flame" && state.order === "time";
}

export function earlyKey(state: ViewState): string {
  return JSON.stringify([filterOf(state), isInTime(state) || state.invert, state.group, state.collapse, isInTime(state)]);
}

export function askEarly(source: ProfileSource, state: ViewState): EarlyFlame {
  const flame = isInTime(state)
    ? source.timeline(filterOf(state), { ...pictureOf(state), pixels: TIME_PIXELS, window: { from: state.from, to: state.to } })
    : source.flame(filterOf(state), { ...pictureOf(state), invert: state.invert, min: PREVIEW_FRACTION });
  flame.catch(() => undefined); // told where it is awaited, if it is
  return { key: earlyKey(state), flame };
}
