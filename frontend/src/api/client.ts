import type { Alert } from "./alerts";
import { takeAnswer } from "./ahead";
import { decodeFlame } from "./flame";
import type {
  Activity,
  BenchmarkHistory,
  CallersAnswer,
  DiffAnswer,
  Filter,
  Flame,
  Leaks,
  LineRow,
  MemoryAnswer,
  Normalise,
  Note,
  PictureOptions,
  Profile,
  ProfileList,
  SeriesData,
  SourceAnswer,
  SpanData,
  TableAnswer,
  TimeWindow,
  UploadAnswer,
} from "./types";

/** A refusal with the server's own words; status 0 = no answer at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly detail = "",
  ) {
    super(message);
  }
}

async function refusal(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => "");
  return refusalFrom(response.status, text);
}

function refusalFrom(status: number, text: string): ApiError {
  try {
    const { error } = JSON.parse(text) as {
      error: { code: string; message: string; detail?: string };
    };
    return new ApiError(status, error.code, error.message, error.detail ?? "");
  } catch {
    return new ApiError(status, "http", `the server answered ${status}`);
  }
}

let apiBase = "";

/** Where the API lies for this page: at the root, or below a share link. */
export function setApiBase(base: string): void {
  apiBase = base;
}

export function apiPath(path: string): string {
  return apiBase + path;
}

async function ask(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await (takeAnswer(apiPath(path)) ?? fetch(apiPath(path), init));
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new ApiError(0, "unreachable", "the server does not answer");
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

export async function askJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await ask(path, signal ? { signal } : {});
  return (await response.json()) as T;
}

export async function sendJson<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method };
  if (body !== undefined) {
    init.headers = { "Content-Type": "application/json" };
    init.body = JSON.stringify(body);
  }
  const response = await ask(path, init);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

export function filterQuery(filter: Filter): URLSearchParams {
  const query = new URLSearchParams();
  if (filter.value) query.set("value", filter.value);
  if (filter.from !== null) query.set("from", String(filter.from));
  if (filter.to !== null) query.set("to", String(filter.to));
  if (filter.threads.length) query.set("thread", filter.threads.join(","));
  if (filter.processes.length) query.set("process", filter.processes.join(","));
  if (filter.states.length) query.set("state", filter.states.join(","));
  if (filter.domains.length) query.set("domain", filter.domains.join(","));
  if (filter.focus !== null) query.set("focus", String(filter.focus));
  if (filter.hide.length) query.set("hide", filter.hide.join(","));
  if (filter.hideModules.length) query.set("hidemod", filter.hideModules.join(","));
  if (filter.hidePackages.length) query.set("hidepkg", filter.hidePackages.join(","));
  return query;
}

function putPicture(query: URLSearchParams, options: PictureOptions): void {
  if (options.group) query.set("group", options.group);
  if (options.collapse) query.set("collapse", "1");
}

function profilePath(id: string, question = ""): string {
  return `/api/v1/profiles/${encodeURIComponent(id)}${question ? `/${question}` : ""}`;
}

export function listProfiles(
  query: { q?: string; cursor?: string; limit?: number },
  signal?: AbortSignal,
): Promise<ProfileList> {
  const search = new URLSearchParams();
  if (query.q) search.set("q", query.q);
  if (query.cursor) search.set("cursor", query.cursor);
  if (query.limit) search.set("limit", String(query.limit));
  return askJson(`/api/v1/profiles?${search}`, signal);
}

export function listBenchmarks(signal?: AbortSignal): Promise<BenchmarkHistory> {
  return askJson("/api/v1/benchmarks", signal);
}

export async function deleteProfile(id: string): Promise<void> {
  await ask(profilePath(id), { method: "DELETE" });
}

/** Fetch tells nothing about how far an upload is; XMLHttpRequest does. */
export function uploadProfile(
  file: File,
  onProgress: (sent: number, total: number) => void,
  signal: AbortSignal,
): Promise<UploadAnswer> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/v1/profiles?name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => onProgress(event.loaded, file.size);
    request.onload = () => {
      if (request.status === 201) resolve(JSON.parse(request.responseText) as UploadAnswer);
      else reject(refusalFrom(request.status, request.responseText));
    };
    request.onerror = () =>
      reject(new ApiError(0, "unreachable", "the connection broke while sending"));
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

function diffQuery(base: string, target: string, value: string, normalise: Normalise): URLSearchParams {
  const query = new URLSearchParams({ base, target });
  if (value) query.set("value", value);
  if (normalise !== "none") query.set("normalise", normalise);
  return query;
}

export function askDiff(base: string, target: string, value: string, normalise: Normalise, signal?: AbortSignal): Promise<DiffAnswer> {
  const query = diffQuery(base, target, value, normalise);
  query.set("top", "0");
  return askJson(`/api/v1/diff?${query}`, signal);
}

export async function askDiffFlame(base: string, target: string, value: string, normalise: Normalise, invert: boolean, signal?: AbortSignal): Promise<Flame> {
  const query = diffQuery(base, target, value, normalise);
  if (invert) query.set("invert", "1");
  const response = await ask(`/api/v1/diff/flame?${query}`, signal ? { signal } : {});
  return decodeFlame(await response.arrayBuffer());
}

/** The questions about one profile; a saved page with its data inside answers them too. */
export interface ProfileSource {
  readonly id: string;
  profile(signal?: AbortSignal): Promise<Profile>;
  flame(
    filter: Filter,
    options: PictureOptions & { invert: boolean; min: number },
    signal?: AbortSignal,
  ): Promise<Flame>;
  /** The stacks in order of time; `window` narrows the filter's own. */
  timeline(
    filter: Filter,
    options: PictureOptions & { pixels: number; window: TimeWindow },
    signal?: AbortSignal,
  ): Promise<Flame>;
  table(filter: Filter, signal?: AbortSignal): Promise<TableAnswer>;
  callers(filter: Filter, fn: number, signal?: AbortSignal): Promise<CallersAnswer>;
  lines(filter: Filter, fn: number, signal?: AbortSignal): Promise<LineRow[]>;
  source(fn: number, signal?: AbortSignal): Promise<SourceAnswer | null>;
  series(
    names: string[],
    process: "tree" | "any",
    window: { from: number | null; to: number | null },
    points: number,
    signal?: AbortSignal,
  ): Promise<SeriesData[]>;
  spans(signal?: AbortSignal): Promise<SpanData[]>;
  activity(
    buckets: number,
    window: { from: number | null; to: number | null },
    signal?: AbortSignal,
  ): Promise<Activity>;
  memory(filter: Filter, options: MemoryOptions, signal?: AbortSignal): Promise<MemoryAnswer>;
  leaks(filter: Filter, signal?: AbortSignal): Promise<Leaks>;
  notes(signal?: AbortSignal): Promise<Note[]>;
  /** What rules found in it, newest first. */
  alerts(signal?: AbortSignal): Promise<Alert[]>;
  addNote(note: NewNote): Promise<void>;
  removeNote(number: number): Promise<void>;
  exportUrl(format: string): string;
  /** Asks something of the collector of a live profile. */
  control(command: LiveCommand): Promise<void>;
  /** The whole profile, where there is no server to write files. */
  readonly file?: Blob;
}

export interface MemoryOptions {
  by: string;
  sort: string;
  base: number | null;
  limit: number;
}

export interface NewNote {
  text: string;
  function?: number;
  from_s?: number;
  to_s?: number;
}

/** What a person can ask of a running collector; `source` is a function whose file is wanted. */
export interface LiveCommand {
  paused?: boolean;
  rate_hz?: number;
  stop?: boolean;
  source?: number;
}

/** Who answers a question ("flame", "table", ...; "" = what the profile is). */
export interface Answerer {
  json<T>(question: string, query: URLSearchParams, signal?: AbortSignal): Promise<T>;
  bytes(question: string, query: URLSearchParams, signal?: AbortSignal): Promise<ArrayBuffer>;
  exportUrl(format: string): string;
  control?(command: LiveCommand): Promise<void>;
  /** Changes what is kept with the profile; missing where nothing can be. */
  change?(method: "POST" | "DELETE", question: string, body?: unknown): Promise<void>;
  readonly file?: Blob;
}

function questionPath(id: string, question: string, query: URLSearchParams): string {
  const text = query.toString();
  return profilePath(id, question) + (text ? `?${text}` : "");
}

/** Asks and does not wait: `begin` gets the path of each question, and nobody here gets an answer. */
export function askingSource(id: string, begin: (path: string) => void): ProfileSource {
  const ask = (question: string, query: URLSearchParams) => {
    begin(questionPath(id, question, query));
    return new Promise<never>(() => undefined);
  };
  return sourceOf(id, { json: ask, bytes: ask, exportUrl: () => "" });
}

export function serverSource(id: string): ProfileSource {
  const path = (question: string, query: URLSearchParams) => questionPath(id, question, query);
  return sourceOf(id, {
    json: (question, query, signal) => askJson(path(question, query), signal),
    async bytes(question, query, signal) {
      const response = await ask(path(question, query), signal ? { signal } : {});
      return response.arrayBuffer();
    },
    exportUrl: (format) => apiPath(path("export", new URLSearchParams({ format }))),
    control: (command) => sendJson("POST", profilePath(id, "control"), command),
    change: (method, question, body) => sendJson(method, profilePath(id, question), body),
  });
}

const nothingKept = () => new ApiError(409, "gone", "nothing can be kept with this page");

export function sourceOf(id: string, answerer: Answerer): ProfileSource {
  const { json, bytes } = answerer;
  const none = new URLSearchParams();
  return {
    id,
    profile: (signal) => json("", none, signal),
    async flame(filter, options, signal) {
      const query = filterQuery(filter);
      if (options.invert) query.set("invert", "1");
      if (options.min > 0) query.set("min", String(options.min));
      putPicture(query, options);
      return decodeFlame(await bytes("flame", query, signal));
    },
    async timeline(filter, options, signal) {
      const query = filterQuery({ ...filter, ...options.window });
      query.set("order", "time");
      query.set("pixels", String(options.pixels));
      putPicture(query, options);
      return decodeFlame(await bytes("flame", query, signal));
    },
    table: (filter, signal) => json("table", filterQuery(filter), signal),
    callers(filter, fn, signal) {
      const query = filterQuery(filter);
      query.set("function", String(fn));
      return json("callers", query, signal);
    },
    async lines(filter, fn, signal) {
      const query = filterQuery(filter);
      query.set("function", String(fn));
      return (await json<{ lines: LineRow[] }>("lines", query, signal)).lines;
    },
    async source(fn, signal) {
      try {
        return await json<SourceAnswer>(
          "source",
          new URLSearchParams({ function: String(fn) }),
          signal,
        );
      } catch (cause) {
        if (cause instanceof ApiError && cause.status === 404) return null;
        throw cause;
      }
    },
    async series(names, process, window, points, signal) {
      const query = new URLSearchParams({ points: String(points) });
      if (names.length) query.set("name", names.join(","));
      if (process === "tree") query.set("process", "all");
      if (window.from !== null) query.set("from", String(window.from));
      if (window.to !== null) query.set("to", String(window.to));
      return (await json<{ series: SeriesData[] }>("series", query, signal)).series;
    },
    spans: async (signal) =>
      (await json<{ spans: SpanData[] }>("spans", none, signal)).spans,
    activity(buckets, window, signal) {
      const query = new URLSearchParams({ buckets: String(buckets) });
      if (window.from !== null) query.set("from", String(window.from));
      if (window.to !== null) query.set("to", String(window.to));
      return json("activity", query, signal);
    },
    memory(filter, options, signal) {
      const query = filterQuery({ ...filter, value: "" });
      query.set("by", options.by);
      query.set("sort", options.sort);
      query.set("limit", String(options.limit));
      if (options.base !== null) query.set("base", String(options.base));
      return json("memory", query, signal);
    },
    leaks: async (filter, signal) =>
      (await json<{ leaks: Leaks }>("leaks", filterQuery({ ...filter, value: "" }), signal)).leaks,
    notes: async (signal) => (answerer.change ? (await json<{ notes: Note[] }>("notes", none, signal)).notes : []),
    alerts: async (signal) => (answerer.change ? (await json<{ alerts: Alert[] }>("alerts", none, signal)).alerts : []),
    addNote: (note) => answerer.change?.("POST", "notes", note) ?? Promise.reject(nothingKept()),
    removeNote: (number) => answerer.change?.("DELETE", `notes/${number}`) ?? Promise.reject(nothingKept()),
    exportUrl: answerer.exportUrl,
    control: (command) => answerer.control?.(command) ?? Promise.reject(new ApiError(409, "gone", "nothing is recording here")),
    ...(answerer.file ? { file: answerer.file } : {}),
  };
}
