"""What `heliograph report --json` says of a file, against the corpus' truth: what a person reads.

conformance_checks.py compares every frame of the model; here are the printed object's totals, calls,
functions (self and cumulative), lines and series, exactly. A truth that tells a function's lines apart
is compared with `lines` for self; what a recursion over two lines of a function counts twice has no
cumulative row of its own in a report and is left to those checks.
"""

import json
import subprocess

from conformance_checks import LARGEST, MIB, compare, count, plain, scale_of
from conformance_json import NANOSECONDS

REPORTS = {}
NEAR = 1e-12  # sums of doubles in another order


class Report:
    """The report of one file, and of its other values when they are asked for."""

    def __init__(self, program, path, folder):
        self.command = [program, "report", "--json", "--top", "0", str(path)]
        self.folder = folder
        self.head = self.ask()

    def ask(self, *options):
        done = subprocess.run([*self.command, *options], capture_output=True, timeout=300, cwd=self.folder)
        if done.returncode:
            raise RuntimeError(f"report: {done.stderr.decode('utf-8', 'replace').strip()}")
        return json.loads(done.stdout)

    def functions(self, key, head=None):
        """{key(row): [self, total]}, added up over functions that the truth does not tell apart."""
        out = {}
        for row in (head or self.head).get("functions", []):
            sums = out.setdefault(key(row), [0, 0])
            sums[0] += row["self"]
            sums[1] += row["total"]
        return out

    def lines(self, amount):
        out = {}
        for row in self.head.get("lines", []):
            place = (plain(row["file"]), plain(row["function"]), row["line"])
            out[place] = out.get(place, 0) + row.get(amount, 0)
        return out

    def total(self, name=None):
        return next(v["total"] for v in self.head["values"] if name in (None, v["name"]))


def reports(*formats):
    def add(function):
        for name in formats:
            REPORTS[name] = function
        return function

    return add


def by_name(row):
    return plain(row["name"])


def by_place(row):
    return (plain(row["name"]), plain(row["file"]))


def by_definition(row):
    return (plain(row["name"]), plain(row["file"]), row["line"])


def rows(wrong, what, ours, theirs, column, relative=0.0):
    """theirs: {key: amount}."""
    for key, amount in theirs.items():
        if key not in ours:
            wrong.append(f"report: {what}: {key!r} is missing")
        else:
            compare(wrong, f"report: {what} of {key!r}", ours[key][column], amount, relative)


def places(wrong, ours, theirs):
    """Self by line. theirs: {(file, function, line): amount}."""
    rows(wrong, "self by line", {k: [v] for k, v in ours.items()}, theirs, 0)


@reports("pstats")
def pstats(report, truth, _entry):
    wrong = []
    if "sum_nc" not in truth or truth["sum_nc"] >= LARGEST:
        return wrong
    counts = report.head["counts"]
    compare(wrong, "report: total", float(report.total() if truth["functions"] else 0), float(truth["total_tt"]), NEAR)
    for ours, theirs in (("functions", truth["functions"]), ("calls", count(truth["sum_nc"])), ("primitive_calls", count(truth["sum_cc"]))):
        compare(wrong, f"report: {ours}", counts.get(ours, 0), theirs)
    have = {by_definition(r): r for r in report.head.get("functions", [])}
    for item in truth.get("top_self", []) + truth.get("top_cum", []) + truth.get("top_ncalls", []):
        file, line, name = item["func"]
        row = have.get((plain(name), plain(file), max(0, line)))
        if not row:
            wrong.append(f"report: {item['func']} is missing")
            continue
        ours = [row["ncalls"], row["primitive_calls"], float(row["self"]), float(row["total"])]
        compare(wrong, f"report: {name}", ours, [count(item["nc"]), count(item["cc"]), float(item["tt"]), float(item["ct"])])
    return wrong


@reports("collapsed")
def collapsed(report, truth, entry):
    wrong = []
    if not truth["library"].startswith("rpartition") or truth["total"] > LARGEST / 2:
        return wrong  # past 2**63 a sum of the report stays there
    divisor = scale_of(report.head["values"][0]["unit"])[1]
    compare(wrong, "report: total", report.total() / divisor, float(truth["total"]), NEAR)
    has_lines = bool(report.head.get("lines"))
    if has_lines or "bom" in entry["file"]:
        return wrong  # the truth's frames are a function's lines
    ours = {k: [x / divisor for x in v] for k, v in report.functions(by_name).items()}
    for what, key, column in (("self", "top_self", 0), ("total", "top_cum", 1)):
        theirs = {plain(name) or "(unknown)": amount for name, amount in truth[key]}
        rows(wrong, what, ours, theirs, column, NEAR)
    return wrong


@reports("austin-text", "austin-mojo")
def austin(report, truth, _entry):
    wrong = []
    if truth.get("error"):
        return wrong
    value = report.head["values"][0]
    divisor = 1000 if value["unit"] == "ns" else 1
    compare(wrong, "report: total", report.total(), truth["sum_first_metric"] * divisor)
    compare(wrong, "report: samples", report.head["counts"].get("samples", 0), truth["samples"])
    amount = "time_s" if value["unit"] == "ns" else "bytes"
    theirs = {}
    for (file, name, line), cost, _count in truth["top_self"]:
        if line and not file.startswith("native@") and file not in ("kernel", ""):
            theirs[plain(file), plain(name), line] = cost / (1e6 if amount == "time_s" else 1)
    if not any(row["name"] == "irqentry_exit_to_user_mode" for row in report.head["functions"]):
        places(wrong, report.lines(amount), theirs)  # the reference reader leaves the kernel's frames out
    return wrong


@reports("mprof")
def mprof(report, truth, _entry):
    wrong = []
    rss = next(s for s in report.head["series"] if s["name"] == "rss")
    compare(wrong, "report: points", rss["points"], truth["samples"])
    for ours, theirs in (("first", "first_mib"), ("last", "last_mib"), ("max", "peak_mib")):
        compare(wrong, f"report: {ours}", rss[ours] / MIB, truth[theirs])
    return wrong


@reports("tracemalloc")
def tracemalloc(report, truth, _entry):
    wrong = []
    compare(wrong, "report: bytes", report.total("in_use"), truth["total_bytes"])
    compare(wrong, "report: blocks", report.total("blocks"), truth["traces"])
    compare(wrong, "report: heap", report.head["heap"]["in_use_bytes"], truth["total_bytes"])
    sizes, counts = {}, {}
    for row in report.head.get("lines", []):
        key = (plain(row["file"]), row["line"])
        sizes[key] = sizes.get(key, 0) + row["bytes"]
        counts[key] = counts.get(key, 0) + row["count"]
    for group in truth["by_lineno"]["top"]:
        file, line = group["traceback"][-1]
        if line:
            where = (plain(file), line)
            compare(wrong, f"report: {where}", [sizes.get(where), counts.get(where)], [group["size"], group["count"]])
    files = report.functions(lambda row: plain(row["file"]))
    rows(wrong, "by file", files, {plain(g["traceback"][-1][0]): g["size"] for g in truth["by_filename"]["top"]}, 0)
    return wrong


@reports("lprof")
def lprof(report, truth, _entry):
    wrong = []
    ours = {}
    for row in report.head.get("lines", []):
        ours.setdefault((plain(row["file"]), plain(row["function"])), []).append([row["line"], row["hits"], row["time_s"]])
    theirs = {}
    for function in truth["functions"]:
        key = (plain(function["file"]), plain(function["name"]))
        theirs.setdefault(key, []).extend([line, hits, time * truth["unit"]] for line, hits, time in function["lines"])
    for key, expected in theirs.items():
        compare(wrong, f"report: lines of {key}", sorted(ours.get(key, [])), sorted(expected))
    return wrong


@reports("yappi-ystat")
def yappi(report, truth, _entry):
    wrong = []
    compare(wrong, "report: calls", report.head["counts"]["calls"], truth["calls"])
    compare(wrong, "report: self", report.total(), truth["total_tsub"], NEAR)
    ours = {(*by_definition(r), r["ncalls"], r["primitive_calls"], r["self"], r["total"]) for r in report.head["functions"]}
    for row in truth["top_self"] + truth["top_cum"]:
        key = (row["name"], row["module"], row["line"], row["ncall"], row["nactualcall"], row["tsub"], row["ttot"])
        if key not in ours:
            wrong.append(f"report: {key} is missing")
    return wrong


@reports("callgrind")
def callgrind(report, truth, _entry):
    wrong = []
    reader = truth["own_reader"]
    rows(wrong, "self", report.functions(by_name), {plain(name): float(cost) for name, cost in reader["top_self"]}, 0)
    return wrong


@reports("speedscope")
def speedscope(report, truth, _entry):
    wrong = []
    if len(truth["profiles"]) != 1:
        return wrong
    profile = truth["profiles"][0]
    value = report.head["values"][0]
    scale = NANOSECONDS.get(profile["unit"], 1) * scale_of(value["unit"])[1]
    samples = report.head["counts"].get("samples", 0)
    rounding = samples if profile["unit"] in NANOSECONDS else 0  # each weight to a whole nanosecond
    total = profile.get("weight_sum", profile["total_self"]) * scale
    if abs(report.total() - total) > rounding + 1e-9 * abs(total):
        wrong.append(f"report: total: {report.total()}, should be {total}")
    ours = report.functions(by_place)
    for what, key, column in (("self", "top_self", 0), ("total", "top_cum", 1)):
        # A list that was cut at 20 does not hold all lines of a function.
        if len(profile[key]) >= 20:
            continue
        theirs = {}
        for (name, file, _line), amount in profile[key]:
            place = (plain(name), plain(file or ""))
            theirs.setdefault(place, []).append(amount * scale)
        for place, amounts in theirs.items():
            got = ours.get(place, [None, None])[column]
            if got is None or (column == 0 or len(amounts) == 1) and abs(got - sum(amounts)) > rounding + 1e-9 * abs(sum(amounts)):
                wrong.append(f"report: {what} of {place}: {got}, should be {sum(amounts)}")
    return wrong


@reports("pprof")
def pprof(report, truth, _entry):
    wrong = []
    for i, (name, _unit) in enumerate(truth["sample_types"]):
        compare(wrong, f"report: total of {name}", report.total(name), truth["totals"][i])
        ours = report.functions(by_place, report.ask("--value", name))
        for what, key, column in (("self", "top_self", 0), ("total", "top_cum", 1)):
            theirs = {(plain(f), plain(file)): amount for (f, file), amount in truth[key][i]}
            rows(wrong, f"{what} ({name})", ours, theirs, column)
    return wrong


@reports("cpuprofile")
def cpuprofile(report, truth, _entry):
    wrong = []
    theirs = truth["following_delta"]
    compare(wrong, "report: total", report.total(), theirs["sum"] * 1000)
    ours = report.functions(by_definition)
    for what, key, column in (("self", "top_self_us", 0), ("total", "top_cum_us", 1)):
        expected = {}
        for (name, url, line, *_rest), amount in theirs[key]:
            place = (plain(name), plain(url), line + 1)
            expected.setdefault(place, []).append(amount * 1000)
        for place, amounts in expected.items():
            if column == 0 or len(amounts) == 1:  # two columns of one line are one function here
                rows(wrong, what, ours, {place: sum(amounts)}, column)
    return wrong


@reports("heapprofile")
def heapprofile(report, truth, _entry):
    wrong = []
    compare(wrong, "report: total", report.total(), truth["total_self_bytes"])
    compare(wrong, "report: heap", report.head["heap"]["in_use_bytes"], truth["total_self_bytes"])
    theirs = {(plain(name) or "(anonymous)", plain(url), line + 1): amount for (name, url, line), amount in truth["top_self"]}
    rows(wrong, "self", report.functions(by_definition), theirs, 0)
    return wrong


@reports("firefox")
def firefox(report, truth, _entry):
    wrong = []
    if "thread_samples" in truth:
        return wrong  # by line; the file names no folders
    ours = report.functions(by_place)
    for what, key, column in (("self", "top_self", 0), ("total", "top_cum", 1)):
        rows(wrong, what, ours, {(plain(n), plain(f)): amount for (n, f), amount in truth[key]}, column)
    return wrong


@reports("pyinstrument-session")
def pyinstrument(report, truth, _entry):
    wrong = []
    ours = {k: [x / 1e9 for x in v] for k, v in report.functions(by_definition).items()}
    for what, key, column in (("self", "top_self", 0), ("total", "top_cum", 1)):
        theirs = {}
        for (name, file, line), amount in truth.get(key, []):
            if file != "<thread>" and not name.startswith("["):
                theirs[plain(name), plain(file), line] = amount
        for place, amount in theirs.items():
            got = ours.get(place, [None, None])[column]
            if got is None or abs(got - amount) > 1e-7:  # records are whole nanoseconds here
                wrong.append(f"report: {what} of {place}: {got}, should be {amount}")
    return wrong


@reports("tachyon-binary")
def tachyon(report, truth, _entry):
    wrong = []
    compare(wrong, "report: samples", report.total(), truth["thread_samples"])
    theirs = {(plain(f), plain(n), line): amount for (f, line, n), amount in truth["top_self"] if line and line > 0}
    places(wrong, report.lines("count"), theirs)
    return wrong


@reports("vmprof")
def vmprof(report, truth, _entry):
    wrong = []
    compare(wrong, "report: samples", report.total(), truth["samples"])
    theirs = {}
    for name, amount in truth["top"]:
        _kind, function, line, file = name.split(":", 3)
        theirs[plain(function), plain("" if file == "-" else file), int(line)] = amount
    rows(wrong, "total", report.functions(by_definition), theirs, 1)
    return wrong


@reports("memray")
def memray(report, truth, _entry):
    wrong = []
    compare(wrong, "report: peak", report.head["heap"]["peak_bytes"], truth["high_water"]["bytes"])
    compare(wrong, "report: leaked", report.head["heap"]["leaked_bytes"], truth["leaked"]["bytes"])
    return wrong


@reports("massif")
def massif(report, truth, _entry):
    wrong = []
    compare(wrong, "report: peak", report.head["heap"]["peak_bytes"], truth["peak_total"])
    series = {s["name"]: s for s in report.head["series"]}
    for name, column in (("heap_useful", 1), ("heap_extra", 2), ("stacks", 3)):
        values = [p[column] for p in truth["series"]]
        ours = [series[name][k] for k in ("points", "first", "last", "min", "max")]
        compare(wrong, f"report: {name}", ours, [len(values), values[0], values[-1], min(values), max(values)])
    return wrong


@reports("dhat")
def dhat(report, truth, _entry):
    wrong = []
    heap = report.head["heap"]
    for ours, theirs in (("allocated_bytes", "total_bytes"), ("allocations", "total_blocks"), ("peak_bytes", "at_gmax_bytes"), ("leaked_bytes", "at_end_bytes")):
        compare(wrong, f"report: {ours}", heap[ours], truth[theirs])
    return wrong


@reports("perf-script")
def perf(report, truth, _entry):
    wrong = []
    if not truth["events"]:
        return wrong
    compare(wrong, "report: samples", report.head["counts"]["samples"], truth["samples"])
    if not truth["top_self_samples"] or len(truth["events"]) != 1:
        return wrong
    ours = report.functions(lambda r: plain(f"py::{r['name']}:{r['file']}" if r["file"] else r["name"]), report.ask("--value", "samples"))
    for what, key, column in (("self", "top_self_samples", 0), ("total", "top_cum_samples", 1)):
        theirs = {}
        for (name, _object), amount in truth.get(key, []):
            theirs.setdefault(plain(name), []).append(amount)
        for name, amounts in theirs.items():
            # one name in two objects is one function here; the reference reader cuts names at " ("
            if len(amounts) == 1 and name.count("<") == name.count(">") and len(truth.get(key, [])) < 20:
                rows(wrong, what, ours, {name: amounts[0]}, column)
    return wrong


@reports("scalene")
def scalene(report, truth, _entry):
    wrong = []
    times = {}
    for row in report.head["lines"]:
        place = (plain(row["file"]), row["line"])
        times[place] = times.get(place, 0) + row.get("time_s", 0)
    for file, expected in truth["files"].items():
        for line, percent, *_text in expected["top_cpu"]:
            ours = times.get((plain(file), line), 0)
            if abs(ours - percent / 100 * truth["elapsed"]) > 1e-9:
                wrong.append(f"report: {file}:{line}: {ours}, should be {percent} % of {truth['elapsed']}")
    return wrong


@reports("pytest-benchmark")
def pytest_benchmark(report, truth, _entry):
    wrong = []
    for ours, theirs in zip(report.head.get("benchmarks", []), truth["benchmarks"]):
        for key in ("mean", "median", "stddev", "min"):
            compare(wrong, f"report: {key} of {ours['name']}", ours[f"{key}_s"], float(theirs["stats"][key]))
    compare(wrong, "report: benchmarks", len(report.head.get("benchmarks", [])), len(truth["benchmarks"]))
    return wrong


@reports("heapsnapshot")
def heapsnapshot(report, truth, _entry):
    wrong = []
    compare(wrong, "report: size", report.total("size"), truth["total_self_size"])
    compare(wrong, "report: objects", report.total("objects"), truth["nodes"])
    return wrong
