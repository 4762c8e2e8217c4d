import { listBenchmarks } from "../api/client";
import type { BenchmarkHistory, BenchmarkLine, BenchmarkRun } from "../api/types";
import { safeName } from "../canvas/text";
import { formatSeconds } from "../model/format";
import { historyPath, latestPoint } from "../model/history";
import { el, fill } from "../widgets/dom";
import { stateCard } from "../widgets/notice";
import { logo, themeSwitch } from "./header_view";

const WIDTH = 220;
const HEIGHT = 36;

/** Every benchmark of every uploaded run, a line each; what got slower last stands first. */
export async function openBenchmarks(): Promise<void> {
  const abort = new AbortController();
  const machine = el("select", { class: "field", "aria-label": "Machine" });
  const about = el("p", { class: "history-about" });
  const list = el("div", { class: "history-list" }, stateCard("loading", "Reading the runs"));
  fill(
    document.body,
    el(
      "main",
      { class: "library history" },
      el("header", { class: "library-top" }, logo(), el("h1", {}, "Benchmarks"), themeSwitch(abort.signal, () => undefined)),
      el("div", { class: "history-tools" }, machine, about),
      list,
    ),
  );
  document.title = "Benchmarks · Heliograph";
  try {
    const history = await listBenchmarks();
    const machines = [...new Set(history.runs.map((run) => run.machine))];
    for (const name of machines) machine.append(el("option", { value: name }, safeName(name)));
    machine.hidden = machines.length < 2;
    // The machine that ran last is what a person came for.
    machine.value = history.runs[history.runs.length - 1]?.machine ?? "";
    machine.addEventListener("change", () => show(history, machine.value, about, list), { signal: abort.signal });
    show(history, machine.value, about, list);
  } catch (cause) {
    fill(list, stateCard("bad", "The benchmarks could not be read", cause instanceof Error ? cause.message : ""));
  }
}

function show(history: BenchmarkHistory, machine: string, about: HTMLElement, list: HTMLElement): void {
  const lines = history.benchmarks.filter((line) => line.machine === machine);
  if (!lines.length) {
    about.textContent = "";
    fill(list, stateCard("empty", "No benchmarks yet", "Drop the JSON files of pytest-benchmark into the library: each is a run here."));
    return;
  }
  const mine = history.runs.map((run, index) => ({ run, index })).filter(({ run }) => run.machine === machine);
  const latest = mine[mine.length - 1];
  const at = new Map(mine.map(({ index }, i) => [index, i]));
  const slower = lines.filter((line) => latestPoint(line, latest?.index ?? -1)?.mark === "slower").length;
  about.textContent = `${mine.length} ${mine.length === 1 ? "run" : "runs"}, ${lines.length} benchmarks, ${slower ? `${slower} slower in the latest` : "none slower in the latest"}`;
  fill(
    list,
    el(
      "table",
      { class: "history-table" },
      el("thead", {}, el("tr", {}, ...["Benchmark", "mean", "change", "Runs, oldest first"].map((text) => el("th", { scope: "col" }, text)))),
      el("tbody", {}, ...lines.map((line) => row(line, history.runs, latest?.index ?? -1, at, mine.length))),
    ),
  );
}

function row(line: BenchmarkLine, runs: readonly BenchmarkRun[], latestRun: number, at: ReadonlyMap<number, number>, count: number): HTMLElement {
  const now = latestPoint(line, latestRun);
  const change = now?.change === undefined ? "" : `${now.change >= 0 ? "+" : "−"}${Math.abs(now.change * 100).toFixed(1)} %`;
  const words = now?.mark === "slower" ? `▲ ${change} slower` : now?.mark === "faster" ? `▼ ${change} faster` : change;
  const placed = { ...line, points: line.points.map((p) => ({ ...p, run: at.get(p.run) ?? 0 })) };
  return el(
    "tr",
    { class: now?.mark ? `is-${now.mark}` : "" },
    el("th", { scope: "row" }, safeName(line.name)),
    el("td", {}, now ? formatSeconds(now.mean_s) : "not in the latest run"),
    el("td", { class: "change" }, words),
    el("td", {}, picture(placed, line, runs, count)),
  );
}

const svg = (tag: string, attributes: Record<string, string | number>) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
};

/** A mark at each run that changed; hovering tells the run. */
function picture(placed: BenchmarkLine, line: BenchmarkLine, runs: readonly BenchmarkRun[], count: number): SVGElement {
  const most = Math.max(...line.points.map((p) => p.mean_s), Number.MIN_VALUE);
  const step = count > 1 ? WIDTH / (count - 1) : 0;
  const drawing = svg("svg", { viewBox: `-5 -5 ${WIDTH + 10} ${HEIGHT + 10}`, width: WIDTH + 10, height: HEIGHT + 10, role: "img" });
  drawing.append(svg("path", { d: historyPath(placed, count, WIDTH, HEIGHT), class: "history-line" }));
  placed.points.forEach((point, i) => {
    const run = runs[line.points[i]?.run ?? -1];
    const dot = svg("circle", {
      cx: (point.run * step).toFixed(1),
      cy: (HEIGHT - (point.mean_s / most) * HEIGHT).toFixed(1),
      r: point.mark ? 4 : 2,
      class: `history-dot ${point.mark ?? ""}`,
    });
    const title = svg("title", {});
    const when = run?.time_unix_ms ? new Date(run.time_unix_ms).toISOString().slice(0, 16).replace("T", " ") : "";
    title.textContent = safeName([when, run?.commit.slice(0, 9), run?.branch, formatSeconds(point.mean_s), point.mark].filter(Boolean).join(" · "));
    dot.append(title);
    drawing.append(dot);
  });
  const last = placed.points[placed.points.length - 1];
  drawing.setAttribute("aria-label", `${line.points.length} runs, the last ${formatSeconds(last?.mean_s ?? 0)}`);
  return drawing;
}
