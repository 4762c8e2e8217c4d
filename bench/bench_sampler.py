"""How fast, how cheap, how gentle and how right the sampler is, beside Austin, py-spy and CPython's own (samplers.py).

    make bench-sampler, or python3 bench/bench_sampler.py [--quick] [--all] [--seconds S] [--repeat N] [--python PATH]...
                           [--cases real:1000,deep:0,...] [--save FILE]; make takes them from BENCH_SAMPLER

One program runs and is watched by each tool in turn, with a turn unwatched between; all figures of a line are of that
one process. What is told: the stacks a second of the tool's own CPU time at its full speed (rate 0), those it called
errors or that cannot be not counted; the tool's CPU use, the ticks it missed, and how much slower the program's work
went, in its own CPU time, than in the turns before and after. `uneven` knows its possible stacks, and how much of its wall time is
in its part that changes fast."""

import argparse
import collections
import json
import math
import os
import pathlib
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/integration/sampler_programs"), str(HERE)]

import flutter  # noqa: E402
import samplers  # noqa: E402
import support  # noqa: E402

# What stacks of each program look like, outermost function first; what else is shown never was.
SHAPES = {
    "shallow": r"<module>(;forever(;middle(;leaf)?)?)?",
    "deep": r"<module>(;down){201};forever(;leaf(;.*)?)?",
    "threads": r"(<module>|_bootstrap;_bootstrap_inner;run;(forever|wait)|_shutdown)(;.*)?",
    "real": r"<module>(;forever(;one_round(;(documents|expressions|trees|differences|wrapped)(;.*)?)?)?)?",
    "tasks": r"<module>;run(;.*)?",
    "uneven": r"<module>(;forever(;both(;(changing|steady)(;.*)?)?)?)?",
}
THREADS = {"threads": 9}
BOARD = 16  # numbers; two for each of four threads and those of `uneven`
POLL = 0.05
UNWATCHED = 0.8
AGAIN = 5
TAIL = 0.25  # before a tool ends: it may be writing what it has
# Of each program: at full speed, which is stacks a second; at rates, which is what it costs.
CASES = ["shallow:0", "deep:0", "threads:0", "real:0", "tasks:0", "shallow:1000", "deep:1000", "real:100", "real:1000",
         "real:10000", "uneven:100", "uneven:1000", "uneven:0"]
QUICK = ["shallow:0", "deep:0", "threads:0", "real:0", "tasks:0", "real:1000", "real:10000", "uneven:1000"]
UNEVEN_SECONDS = 3  # times as long: it counts samples
NEED = {"shallow": 2.5, "deep": 5, "threads": 3, "real": 2, "tasks": 3}  # times the best of the others

Moment = collections.namedtuple("Moment", "time tool rounds cpu changing steady")


class Program:
    """One of sampler_programs, running until it is killed, and its board of numbers."""

    def __init__(self, python, name, folder):
        self.board = folder / "board"
        self.board.write_bytes(bytes(8 * BOARD))
        self.process = subprocess.Popen([python, str(HERE / "sampler_programs" / f"{name}.py"), str(self.board)])
        while self.look(None).rounds == 0:
            if self.process.poll() is not None:
                raise SystemExit(f"{name}.py does not run with {python}")
            time.sleep(POLL)
        self.unwatched()  # it warms up
        self.unwatched()

    def look(self, tool_pid):
        numbers = struct.unpack(f"{BOARD}Q", self.board.read_bytes())
        tool = time.clock_gettime(~tool_pid << 3 | 2) if tool_pid else 0  # its CPU clock: clock_getcpuclockid(3)
        return Moment(time.monotonic(), tool, sum(numbers[0:8:2]), sum(numbers[1:8:2]), numbers[8], numbers[9])

    def unwatched(self):
        before = self.look(None)
        time.sleep(UNWATCHED)
        self.pace = pace(before, self.look(None))
        return self.pace

    def watched(self, tool, python, seconds, rate, threads):
        """The moments of the watch: when it was surely going on, and when it was as good as over; None when the
        machine was so busy that they were missed, or that the program stood still between them."""
        watcher = tool.start(python, self.process.pid, seconds, rate, threads)
        moments = [self.look(watcher.pid)]
        while watcher.poll() is None:
            time.sleep(POLL)
            try:
                moments.append(self.look(watcher.pid))
            except OSError:  # it ended just now
                break
            if not tool.ends_itself and moments[-1].time - moments[0].time > seconds + 2 * TAIL:
                watcher.send_signal(2)
                break
        watcher.wait()
        over = moments[-1].time if tool.ends_itself else moments[-1].time + TAIL
        if watcher.returncode or over - moments[0].time < seconds:
            raise SystemExit(f"{tool.name} failed: {watcher.returncode}\n{tool.words()[-2000:]}")
        during = [m for m in moments if over - seconds < m.time <= over - TAIL]
        return (during[0], during[-1]) if during and during[-1].cpu > during[0].cpu else None

    def stop(self):
        self.process.kill()
        self.process.wait()


def pace(before, after):
    """Rounds a second of its own CPU time."""
    return (after.rounds - before.rounds) / (after.cpu - before.cpu) * 1e9


def judge(stacks, program):
    """How many samples cannot be, and how the part that changes and the other share the rest."""
    calls = flutter.possible_calls(flutter.make())
    shape = re.compile(SHAPES[program])
    wrong, parts = 0, collections.Counter()
    for stack, count in stacks.items():
        names = [name for name, _ in stack]
        if not shape.fullmatch(";".join(names)):
            wrong += count
        elif "changing" in names:
            body = stack[names.index("changing") + 1:]
            is_whole = not body or body[0][0] == "once"
            is_right = is_whole and all(calls.get(caller) == callee[0] for caller, callee in zip(body, body[1:]))
            wrong += 0 if is_right else count
            parts["changing"] += count
        elif "steady" in names:
            parts["steady"] += count
    return wrong, parts


def measure(program, python, name, tool, rate, seconds):
    """One watch by one tool, which went between two unwatched turns; the later is made here."""
    threads = THREADS.get(name, 1)
    before = program.pace
    for _ in range(AGAIN):
        moments = program.watched(tool, python, seconds, rate, threads)
        if moments:
            break
        print(f"the machine is too busy to watch {tool.name} for {seconds} s: again", file=sys.stderr, flush=True)
    else:
        raise SystemExit("the machine is too busy for this")
    first, last = moments
    after = program.unwatched()
    seen = tool.seen(rate, threads)
    wrong, parts = judge(seen.stacks, name)
    total = sum(seen.stacks.values())
    cpu = (last.tool - first.tool) / (last.time - first.time)
    spent = last.changing + last.steady - first.changing - first.steady
    judged = sum(parts.values())
    return {
        "valid_per_cpu": (total - wrong) / (cpu * (seen.seconds or seconds)),
        "cpu": cpu,
        "missed": seen.missed,
        "slower": 1 - pace(first, last) / ((before + after) / 2),
        "total": total,
        "wrong": wrong,
        "bad": seen.bad,
        "share": parts["changing"] / judged if judged else None,
        "truth": (last.changing - first.changing) / spent if spent else None,
        "judged": judged,
        "notes": seen.notes,
    }


def run_case(python, name, rate, tools, seconds, repeat, folder):
    """{tool: [figures of each turn]}"""
    figures = collections.defaultdict(list)
    program = Program(python, name, folder)
    try:
        for turn in range(repeat):
            for tool in tools[turn % len(tools):] + tools[:turn % len(tools)]:
                figures[tool.name].append(measure(program, python, name, tool, rate, seconds))
    finally:
        program.stop()
    return figures


# ---- what is printed ----

def median(turns, key):
    values = [turn[key] for turn in turns if turn[key] is not None]
    return statistics.median(values) if values else None


def error_of(turns, key):
    """Of the median, from the spread of the turns."""
    values = [turn[key] for turn in turns]
    return 1.25 * statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None


def show(value, form):
    return "-" if value is None else format(value, form)


def header(*names):
    print("\n| " + " | ".join(names) + " |\n|" + "---|" * len(names), flush=True)


def print_full_speed(results, names):
    header("Python", "program", *(f"{n}, k/s" for n in names), "ours / best other (wanted)")
    for (python, program, rate), figures in results.items():
        if rate or program == "uneven":
            continue
        others = [n for n in figures if n != "ours"]
        ratios = [ours["valid_per_cpu"] / max(figures[n][i]["valid_per_cpu"] for n in others)
                  for i, ours in enumerate(figures["ours"])] if others else []
        row = [show(median(figures[n], "valid_per_cpu") / 1000 if n in figures else None, ",.1f") for n in names]
        print(f"| {python} | {program} | " + " | ".join(row)
              + f" | {show(statistics.median(ratios) if ratios else None, '.1f')} ({NEED[program]}) |")


def print_costs(results):
    header("Python", "program", "rate", "tool", "its CPU, of a core", "ticks missed", "program slower by", "errors", "stacks that cannot be")
    for (python, program, rate), figures in results.items():
        for name, turns in figures.items():
            total, wrong, bad = (sum(turn[key] for turn in turns) for key in ("total", "wrong", "bad"))
            said = total + bad or 1
            print(f"| {python} | {program} | {f'{rate} Hz' if rate else 'full'} | {name} | {median(turns, 'cpu'):.1%} "
                  f"| {show(median(turns, 'missed'), '.1%')} | {median(turns, 'slower'):+.1%} ± {show(error_of(turns, 'slower'), '.1%')} "
                  f"| {bad / said:.2%} | {wrong / (total or 1):.2%} of {total:,} |")


def print_bias(results):
    header("Python", "rate", "tool", "stacks that never were", "of", "share of what changes fast", "in truth", "off by", "chance alone", "notes")
    for (python, program, rate), figures in results.items():
        if program != "uneven":
            continue
        for name, turns in figures.items():
            judged = sum(turn["judged"] for turn in turns)
            if not judged:
                continue
            share = sum(turn["share"] * turn["judged"] for turn in turns if turn["judged"]) / judged
            truth = statistics.mean(turn["truth"] for turn in turns)
            print(f"| {python} | {f'{rate} Hz' if rate else 'full'} | {name} | {sum(t['wrong'] for t in turns):,} "
                  f"| {sum(t['total'] for t in turns):,} | {share:.1%} | {truth:.1%} | {share - truth:+.1%} "
                  f"| ± {math.sqrt(truth * (1 - truth) / judged):.1%} | {turns[-1]['notes']} |")


def choose(pythons, all_tools, is_all):
    """{label: (path, tools)}; the newest Python of each company of tools will do for most."""
    served = {}
    for label, python in sorted(pythons.items(), key=lambda item: [int(n) for n in re.findall(r"\d+", item[0])[:3]]):
        served[label] = (python, [tool for tool in all_tools if tool.serves(python)])
    if not is_all:
        newest = {tuple(t.name for t in tools): label for label, (_, tools) in served.items()}
        best = {max((c for c in newest if name in c), key=len) for name in ("Austin", "py-spy", "Tachyon")
                if any(name in c for c in newest)} or set(newest)
        served = {newest[company]: served[newest[company]] for company in sorted(best)}
    for name in [tool.name for tool in all_tools]:
        if not any(name in (t.name for t in tools) for _, tools in served.values()):
            print(f"SKIP: {name} is not here, or serves no Python that is", flush=True)
    return served


def main(release=None, arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="under five minutes: fewer cases and turns")
    parser.add_argument("--all", action="store_true", help="every Python found, not only the newest that each tool serves")
    parser.add_argument("--seconds", type=int, help="of each watch")
    parser.add_argument("--repeat", type=int, help="watches by each tool")
    parser.add_argument("--python", action="append", help="instead of all that are found")
    parser.add_argument("--cases", help="program:rate,... with rate 0 for full speed")
    parser.add_argument("--save", type=pathlib.Path, help="every turn's figures, as JSON")
    args = parser.parse_args(os.environ.get("BENCH_SAMPLER", "").split() if arguments is None else arguments)
    cases = [case.split(":") for case in (args.cases.split(",") if args.cases else QUICK if args.quick else CASES)]
    seconds = args.seconds or (1 if args.quick else 2)
    repeat = args.repeat or (2 if args.quick else 3)
    probe = pathlib.Path(release or ROOT / "build/release") / "tests/integration/sampler_probe"
    results = {}
    with tempfile.TemporaryDirectory(prefix="heliograph-bench-", dir="/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None) as folder:
        folder = pathlib.Path(folder)
        all_tools = samplers.installed(folder, probe)
        chosen = choose({samplers.label_of(path): path for path in args.python} if args.python else support.pythons(), all_tools, args.all or args.python)
        for label, (python, tools) in chosen.items():
            for name, rate in cases:
                took = seconds * (UNEVEN_SECONDS if name == "uneven" else 1)
                results[label, name, int(rate)] = run_case(python, name, int(rate), tools, took, repeat, folder)
                print(".", end="", file=sys.stderr, flush=True)
    names = [tool.name for tool in all_tools if any(tool.name in figures for figures in results.values())]
    print_full_speed(results, names)
    print_costs(results)
    print_bias(results)
    if args.save:
        args.save.write_text(json.dumps([{"python": p, "program": n, "rate": r, "tools": f} for (p, n, r), f in results.items()], indent=1))


if __name__ == "__main__":
    main(arguments=sys.argv[1:])
