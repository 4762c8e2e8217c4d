import { readTokens } from "../canvas/colours";
import { PackageColours } from "../model/palette";
import { compileQuery } from "../model/search";
import { type ViewState } from "../state/url";
import type { Profile } from "../api/types";
import { SLOT_TOKENS } from "./slots";
import type { Shared } from "./view";

/** What the views of a page start from: nothing was asked yet. */
export function newShared(state: ViewState, profile: Profile): Shared {
  return {
    state,
    profile,
    tokens: readTokens(SLOT_TOKENS),
    colours: new PackageColours(),
    query: compileQuery(state.q),
    flame: null,
    hits: null,
    coverage: null,
    boxColours: new Uint32Array(),
    timeline: null,
    timeDetail: null,
    table: null,
    callers: null,
    lines: null,
    wantedSource: null,
    series: null,
    allSeries: null,
    spans: [],
    notes: [],
    alerts: [],
    memory: null,
    leaks: null,
    activity: null,
    problem: "",
    usualValue: "",
  };
}
