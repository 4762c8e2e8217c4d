/** What the server says, word for word as docs/api.md has it. */

export interface ProfileRow {
  id: string;
  name: string;
  format: string;
  producer: string;
  state: ProfileState;
  created_unix_ms: number;
  duration_s: number;
  samples: number;
  bytes: number;
  peak_rss_bytes: number;
  shapes: string[];
  tags: Record<string, string>;
  summary: string;
}

export type ProfileState = "live" | "complete" | "interrupted" | "imported";

export interface ProfileList {
  profiles: ProfileRow[];
  next: string;
}

export interface ValueInfo {
  key: string;
  set: string;
  name: string;
  unit: string;
  total: number;
  samples: number;
  default: boolean;
  estimated: boolean;
}

export interface ProcessInfo {
  index: number;
  pid: number;
  parent_pid: number;
  command: string;
  runtime: string;
  start_s: number;
  end_s: number;
}

export interface ThreadInfo {
  index: number;
  process: number;
  tid: number;
  name: string;
  samples: number;
}

export interface Notice {
  severity: number;
  code: string;
  text: string;
  time_s: number;
}

export interface Profile {
  id: string;
  name: string;
  state: ProfileState;
  rev: number;
  format: string;
  producer: string;
  mode: string;
  host: string;
  pid: number;
  argv: string[];
  runtime: string;
  created_unix_ms: number;
  start_unix_ms: number;
  duration_s: number;
  rate_hz: number;
  shapes: string[];
  summary: string;
  values: ValueInfo[];
  processes: ProcessInfo[];
  threads: ThreadInfo[];
  counters: Record<string, number>;
  notices: Notice[];
  tags: Record<string, string>;
}

export interface FlameHead {
  rev: number;
  value: string;
  unit: string;
  total: number;
  scale: number;
  samples: number;
  from_s: number;
  to_s: number;
  rows: number[];
  nodes: number;
  pruned: number;
  truncated_depth: number;
  estimated: boolean;
  flags: boolean;
  /** Rows are moments (docs/api.md, order=time); what follows is told only then. */
  order?: "time";
  lanes?: TimeLane[];
  lanes_left_out?: number;
  /** Nanoseconds: shorter boxes share one. */
  cutoff?: number;
  /** Nanoseconds a sample was taken to last at most, when it does not say. */
  assumed?: number;
  /** Of two profiles compared (docs/api.md, diff/flame). */
  base?: DiffWhole;
  target?: DiffWhole;
  is_tested?: boolean;
  functions: {
    id: number[];
    name: string[];
    file: number[];
    line: number[];
    kind: number[];
    module: number[];
  };
  files: string[];
  modules: string[];
}

export interface DiffWhole {
  total: number;
  samples?: number;
}

export interface DiffNumber {
  base: number;
  target: number;
  change: number;
  relative?: number;
  q?: number;
  is_significant?: boolean;
}

export interface DiffPair {
  base: number;
  target: number;
}

export interface DiffRow {
  name: string;
  file: string;
  line: number;
  module?: string;
  base_id?: number;
  target_id?: number;
  state: "changed" | "added" | "removed" | "same";
  self: DiffNumber;
  total: DiffNumber;
  samples_self?: DiffPair;
  samples_total?: DiffPair;
  ncalls?: DiffPair;
  is_significant?: boolean;
  is_regression: boolean;
}

export interface DiffBenchmark {
  name: string;
  state: string;
  mean_s: Partial<DiffNumber>;
  rounds: DiffPair;
  q?: number;
  is_significant?: boolean;
  is_regression: boolean;
}

export interface DiffAnswer {
  base_profile: string;
  target_profile: string;
  value?: string;
  unit?: string;
  normalise?: string;
  is_tested?: boolean;
  rate?: number;
  base?: DiffWhole;
  target?: DiffWhole;
  counts: { functions: number; changed: number; added: number; removed: number; same: number; benchmarks: number; significant: number; regressions: number };
  functions: DiffRow[];
  benchmarks: DiffBenchmark[];
}

export type Normalise = "none" | "total" | "ncalls";

export interface TimeLane {
  thread: number;
  rows: number;
  samples: number;
  covered: number;
}

/** One depth of a flame graph: boxes in order of x0, function = position in head.functions. */
export interface FlameRow {
  x0: Uint32Array;
  x1: Uint32Array;
  fn: Uint32Array;
  flags: Uint32Array | null;
  /** Of two profiles compared: the base's part of the width. */
  base?: Uint32Array | null;
  tint?: Uint32Array | null;
}

export interface Flame {
  head: FlameHead;
  rows: FlameRow[];
}

export interface TableColumns {
  id: number[];
  name: string[];
  file: string[];
  line: number[];
  kind: number[];
  module: string[];
  self?: number[];
  total?: number[];
  samples_self?: number[];
  samples_total?: number[];
  ncalls?: number[];
  primitive_calls?: number[];
  tottime?: number[];
  cumtime?: number[];
}

export interface TableAnswer {
  rev: number;
  shape: "stacks" | "call-graph";
  unit: string;
  total: number;
  samples_total: number;
  rows: number;
  columns: TableColumns;
}

export interface CallerRow {
  id: number;
  name: string;
  file: string;
  line: number;
  self: number;
  total: number;
  ncalls?: number;
}

export interface CallersAnswer {
  rev: number;
  unit?: string;
  function: CallerRow & { kind?: number; module?: string };
  callers: CallerRow[];
  callees: CallerRow[];
}

export interface LineRow {
  line: number;
  self?: number;
  total?: number;
  hits?: number;
  time_s?: number;
  memory_bytes?: number;
  increment_bytes?: number;
  ranges?: LineRange[];
}

/** An expression of a line: bytes of UTF-8, counted from 1; it ends before `end_column`. */
export interface LineRange {
  column: number;
  end_line: number;
  end_column: number;
  self: number;
  total: number;
}

export interface SourceAnswer {
  file: string;
  first_line: number;
  text: string;
}

export interface SeriesData {
  name: string;
  unit: string;
  process: number | null;
  t: number[];
  v: number[];
  min?: number[];
  max?: number[];
  total_points: number;
}

export interface SpanData {
  name: string;
  begin_s: number;
  /** null while it goes on. */
  end_s: number | null;
  process: number;
  thread: number;
  begin_value: number;
  end_value: number;
  level: number;
}

/** Pinned to a function, a window of time, or both. */
export interface Note {
  number: number;
  text: string;
  function: number | null;
  from_s: number | null;
  to_s: number | null;
  created_unix_ms: number;
}

export interface ActivityThread {
  thread: number;
  oncpu: number[];
  gil: number[];
  wants: number[];
  idle: number[];
}

export interface Activity {
  t0: number;
  t1: number;
  buckets: number;
  threads: ActivityThread[];
}

/** Columns of GET .../memory: a row for each place; bytes, "_count" blocks, "_error" bytes. */
export interface MemoryColumns {
  id: number[];
  name: string[];
  file: string[];
  module: string[];
  line: number[];
  callers: string[][];
  [measure: string]: number[] | string[] | string[][];
}

export interface MemoryAnswer {
  rev: number;
  by: string;
  /** Mean distance of samples; 0 = every allocation was followed. */
  every_bytes: number;
  base_s: number | null;
  peak_s: number | null;
  totals: Record<string, number>;
  places: number;
  columns: MemoryColumns;
}

export interface Leak {
  id: number;
  name: string;
  file: string;
  line: number;
  at_line: number | null;
  callers: string[];
  bytes_per_min: number;
  grown_bytes: number;
  error_bytes: number;
  confidence: number;
  rises: number;
  steps: number;
  in_use: number[];
}

export interface Leaks {
  from_s: number;
  to_s: number;
  windows: number;
  too_short: boolean;
  found: number;
  items: Leak[];
}

export interface LiveMessage {
  rev: number;
  state: ProfileState;
  duration_s: number;
  samples: number;
  threads: number;
  counters: Record<string, number>;
  summary: string;
  rss_bytes: number;
}

export interface UploadAnswer {
  id: string;
  url: string;
  format: string;
  warnings: string[];
}

/** The filter every question takes; empty fields are left out of the address. */
export interface Filter {
  value: string;
  from: number | null;
  to: number | null;
  threads: number[];
  processes: number[];
  states: string[];
  domains: string[];
  focus: number | null;
  hide: number[];
  hideModules: number[];
  hidePackages: number[];
}

/** How a picture is put together. */
export interface PictureOptions {
  group: "" | "module" | "package" | "file";
  collapse: boolean;
}

export interface TimeWindow {
  from: number | null;
  to: number | null;
}

/** GET /api/v1/benchmarks; `run` is a position in `runs`. */
export interface BenchmarkRun {
  id: string;
  name: string;
  machine: string;
  commit: string;
  branch: string;
  is_dirty: boolean;
  time_unix_ms: number;
}

export interface BenchmarkLine {
  name: string;
  machine: string;
  points: {
    run: number;
    mean_s: number;
    median_s?: number;
    change?: number;
    q?: number;
    rounds: number;
    mark?: "slower" | "faster";
  }[];
}

export interface BenchmarkHistory {
  runs: BenchmarkRun[];
  benchmarks: BenchmarkLine[];
  counts: { runs: number; benchmarks: number; regressions: number };
}
