"""One check a format: what was read (format_probe's JSON) against the corpus' truth.

Each returns a list of sentences; an empty one is a pass.
"""

import re

CHECKS = {}


def checks(*formats):
    def add(function):
        for name in formats:
            CHECKS[name] = function
        return function

    return add


def plain(text):
    """Names as both sides can say them: what is no UTF-8 is one U+FFFD on either side."""
    if not isinstance(text, str):
        return text
    text = re.sub("[\ud800-\udfff]", "\ufffd", text)
    return re.sub("\ufffd+", "\ufffd", text)


def compare(wrong, what, ours, theirs, relative=0.0):
    if isinstance(theirs, float) or isinstance(ours, float):
        same = abs(ours - theirs) <= relative * max(abs(ours), abs(theirs))
    else:
        same = ours == theirs
    if not same:
        wrong.append(f"{what}: {ours!r}, should be {theirs!r}")


# ---- call graphs ----

LARGEST = 2**64 - 1


def count(number):
    """-1 is pyinstrument's "not known", shown as 0; counts past 64 bits are shown as the largest."""
    return min(max(0, number), LARGEST)



@checks("pstats")
def pstats(got, truth, _entry):
    wrong = []
    graph = got["graph"]
    rows = {(plain(r["file"]), r["line"], plain(r["name"])): r for r in graph["rows"]}
    compare(wrong, "functions", len(graph["rows"]), truth["functions"])
    total = 0.0
    for row in graph["rows"]:
        total += row["self"]
    compare(wrong, "total", total, float(truth["total_tt"]), 1e-12)
    if "sum_nc" in truth:
        if truth["sum_nc"] < LARGEST:
            compare(wrong, "calls", sum(r["ncalls"] for r in graph["rows"]), count(truth["sum_nc"]))
            compare(wrong, "primitive", sum(r["primitive_calls"] for r in graph["rows"]), count(truth["sum_cc"]))
        compare(wrong, "edges", len(graph["edges"]), truth["caller_edges"])
    if "sum_cc_direct_samples" in truth:
        compare(wrong, "direct", sum(r["primitive_calls"] for r in graph["rows"]), truth["sum_cc_direct_samples"])
        compare(wrong, "cumulative", sum(r["ncalls"] for r in graph["rows"]), truth["sum_nc_cumulative_samples"])
    for key in ("top_self", "top_cum", "top_ncalls"):
        for item in truth.get(key, []):
            file, line, name = item["func"]
            row = rows.get((plain(file), max(0, line), plain(name)))
            if not row:
                wrong.append(f"{item['func']} is missing")
                continue
            compare(wrong, f"{name} calls", row["ncalls"], count(item["nc"]))
            compare(wrong, f"{name} primitive", row["primitive_calls"], count(item["cc"]))
            compare(wrong, f"{name} self", row["self"], float(item["tt"]))
            compare(wrong, f"{name} total", row["total"], float(item["ct"]))
    return wrong


# ---- stacks ----


def scale_of(unit):
    """count/1000 means thousandths of a count."""
    name, _, divisor = unit.partition("/")
    return name, int(divisor or 1)


def add_up(frames, key):
    """{key(frame): [self, total, leaf samples]} over frames that the truth does not tell apart."""
    out = {}
    for frame in frames:
        sums = out.setdefault(key(frame), [0, 0, 0])
        for i in range(3):
            sums[i] += frame[3 + i]
    return out


def top(wrong, what, ours, theirs, column):
    for name, amount in theirs:
        name = tuple(plain(n) for n in name) if isinstance(name, list) else plain(name)
        got = ours.get(name)
        if got is None:
            wrong.append(f"{what}: {name!r} is missing")
        else:
            compare(wrong, f"{what} of {name!r}", got[column], amount, 1e-9)


@checks("collapsed")
def collapsed(got, truth, _entry):
    wrong = []
    values = got["sets"][0]["values"][0]
    _, divisor = scale_of(values["unit"])
    frames = [f[:3] + [f[3] / divisor, f[4] / divisor, f[5]] for f in values["frames"]]
    if truth["library"].startswith("rpartition"):

        def text(frame):
            return plain(f"{frame[0]} ({frame[1]}:{frame[2]})" if frame[1] else frame[0]).lstrip("\ufeff")

        compare(wrong, "total", values["total"] / divisor, float(truth["total"]), 1e-12)
        ours = add_up(frames, text)
        top(wrong, "self", ours, [(n.lstrip("\ufeff"), v) for n, v in truth["top_self"]], 0)
        if "bom" not in _entry["file"]:
            top(wrong, "total", ours, truth["top_cum"], 1)
    else:
        compare(wrong, "samples", values["total"], truth["thread_samples"])
        ours = add_up(frames, lambda f: (plain(f[1]), f[2], plain(f[0])))
        theirs = {}
        for (file, line, name), amount in truth["top_self"]:
            # These files name the file without its folder.
            key = ("" if file == "~" else file.rpartition("/")[2], line, name)
            theirs[key] = theirs.get(key, 0) + amount
        top(wrong, "self", ours, [(list(k), v) for k, v in theirs.items()], 0)
        compare(wrong, "threads", len(values["threads"]), len(truth["threads"]))
    return wrong


@checks("austin-text", "austin-mojo")
def austin(got, truth, _entry):
    wrong = []
    if truth.get("error"):
        return wrong  # the reference reader gave up: nothing to compare with
    values = got["sets"][0]["values"]
    first = values[0]
    divisor = 1000 if first["unit"] == "ns" else 1
    compare(wrong, "samples", got["sets"][0]["samples"], truth["samples"])
    compare(wrong, "total", first["total"], truth["sum_first_metric"] * divisor)
    if any(f[0] == "irqentry_exit_to_user_mode" for f in first["frames"]) and truth["mojo_version"]:
        return wrong  # austin-python leaves the kernel's frames out of MOJO stacks, we keep them
    compare(wrong, "depth", got["sets"][0]["max_depth"], truth["max_depth"])
    if "gc" in truth:
        compare(wrong, "gc", got["counters"].get("gc_samples", 0), truth["gc"])
        compare(wrong, "idle", got["counters"].get("idle_samples", 0), truth["idle"])
        compare(wrong, "empty", got["counters"].get("empty_samples", 0), truth["empty_stacks"])
        if len(values) == 3:
            compare(wrong, "memory", values[2]["total"], truth["sum_memory"])
    totals = sorted(t["total"] for t in first["threads"] if t["samples"])
    compare(wrong, "threads", totals, sorted(v * divisor for v in truth["threads"].values()))
    ours = add_up(first["frames"], lambda f: (plain(f[1]), plain(f[0]), f[2]))
    for what, key, column in (("self", "top_self", 0), ("total", "top_cum", 1)):
        theirs = {}
        for (file, name, line), amount, _count in truth[key]:
            if file.startswith("native@") or file in ("kernel", ""):
                continue  # kept by function, not by address
            theirs[(file, name, line)] = amount * divisor
        top(wrong, what, ours, [(list(k), v) for k, v in theirs.items()], column)
    return wrong


# ---- series ----

MIB = 1048576


@checks("mprof")
def mprof(got, truth, _entry):
    wrong = []
    rss = [s for s in got["series"] if "pid" not in s][0]["points"]
    mib = [v / MIB for _, v in rss]
    compare(wrong, "points", len(rss), truth["samples"])
    compare(wrong, "first", mib[0], truth["first_mib"])
    compare(wrong, "last", mib[-1], truth["last_mib"])
    compare(wrong, "peak", max(mib), truth["peak_mib"])
    start = got["start_unix_ns"] / 1e9
    compare(wrong, "start", start + rss[0][0] / 1e9, truth["start"], 1e-12)
    compare(wrong, "end", start + rss[-1][0] / 1e9, truth["end"], 1e-12)
    compare(wrong, "command", " ".join(got["argv"]), truth["cmd_line"].strip())
    children = {str(s["pid"]): s["points"] for s in got["series"] if "pid" in s}
    compare(wrong, "children", sorted(children), sorted(truth["children"]))
    for pid, child in truth["children"].items():
        compare(wrong, f"child {pid}", len(children.get(pid, [])), child["samples"])
        compare(wrong, f"peak of {pid}", max(v / MIB for _, v in children[pid]), child["peak_mib"])
    spans = {}
    for s in got["spans"]:
        spans.setdefault(s["name"], []).append(s)
    compare(wrong, "functions", sorted(spans), sorted(truth["functions"]))
    for name, function in truth["functions"].items():
        ours = sorted(
            [round(start + s["begin_ns"] / 1e9, 4), round(start + s["end_ns"] / 1e9, 4)]
            + [round(s["begin_value"] / MIB, 4), round(s["end_value"] / MIB, 4)]
            for s in spans.get(name, [])
        )
        compare(wrong, name, ours, sorted([round(x, 4) for x in s[:4]] for s in function["spans"]))
    return wrong


# ---- pickles ----


@checks("tracemalloc")
def tracemalloc(got, truth, _entry):
    wrong = []
    size, blocks = got["sets"][0]["values"]
    compare(wrong, "bytes", size["total"], truth["total_bytes"])
    compare(wrong, "blocks", blocks["total"], truth["traces"])
    compare(wrong, "cut", got["counters"].get("truncated_tracebacks", 0), truth["truncated_tracebacks"])
    for key, column, place in (
        ("by_lineno", 0, lambda f: (plain(f[1]), f[2])),
        ("by_lineno_cumulative", 1, lambda f: (plain(f[1]), f[2])),
        ("by_filename", 0, lambda f: (plain(f[1]), 0)),
    ):
        sizes = add_up(size["frames"], place)
        counts = add_up(blocks["frames"], place)
        for group in truth[key]["top"]:
            file, line = group["traceback"][-1]
            where = (plain(file), line)
            if column:  # tracemalloc counts a recursion as often as it recurs, a profile once
                if not 0 < sizes.get(where, [0, 0])[column] <= group["size"]:
                    wrong.append(f"{key} {where}: {sizes.get(where)}, at most {group['size']}")
                continue
            compare(wrong, f"{key} {where}", sizes.get(where, [None])[column], group["size"])
            compare(wrong, f"{key} {where} blocks", counts.get(where, [None])[column], group["count"])
    domains = {int(v): s["samples"] for s in got["sets"][0]["label_sets"] for k, v in s["labels"]}
    compare(wrong, "domains", sorted(domains), sorted(int(d) for d in truth["bytes_by_domain"] if d != "0"))
    return wrong


@checks("lprof")
def lprof(got, truth, _entry):
    wrong = []
    ours = {}
    for row in got["lines"]:
        key = (plain(row["file"]), row["line"], plain(row["name"]))
        ours.setdefault(key, []).append([row["at"], row["hits"], row["time_s"]])
    compare(wrong, "called", len(ours), truth["called_functions"])
    for function in truth["functions"]:
        key = (plain(function["file"]), function["start_line"], plain(function["name"]))
        expected = [[line, hits, time * truth["unit"]] for line, hits, time in function["lines"]]
        if expected or key in ours:
            compare(wrong, f"lines of {key}", sorted(ours.get(key, [])), sorted(expected))
    return wrong


@checks("yappi-ystat")
def yappi(got, truth, _entry):
    wrong = []
    rows = got["graph"]["rows"]
    compare(wrong, "functions", len(rows), truth["functions"])
    compare(wrong, "calls", sum(r["ncalls"] for r in rows), truth["calls"])
    compare(wrong, "self", sum(r["self"] for r in rows), truth["total_tsub"], 1e-12)
    have = {(r["file"], r["line"], r["name"], r["ncalls"], r["primitive_calls"], r["self"], r["total"]) for r in rows}
    for row in truth["top_self"] + truth["top_cum"]:
        key = (row["module"], row["line"], row["name"], row["ncall"], row["nactualcall"], row["tsub"], row["ttot"])
        if key not in have:
            wrong.append(f"{key} is missing")
    return wrong


@checks("perf-script")
def perf(got, truth, entry):
    wrong = []
    if not truth["events"] and truth["stackcollapse_perf_pl"]["total"]:
        # The reference reader could not; the script could, but for a sample without a blank line behind it.
        total = got["sets"][0]["values"][-1]["total"] - int(truth["stackcollapse_perf_pl"]["total"])
        compare(wrong, "samples more", total in (0, 1), True)
        return wrong
    ours = {s["name"]: s for s in got["sets"]}
    compare(wrong, "events", sorted(ours), sorted(truth["events"]))
    compare(wrong, "samples", sum(s["samples"] for s in got["sets"]), truth["samples"])
    compare(wrong, "period", sum(s["values"][0]["total"] for s in got["sets"]), truth["sum_period"])
    if not truth["top_self_samples"]:
        return wrong
    sums = {}
    for s in got["sets"]:
        for frame in s["values"][-1]["frames"]:
            name = f"py::{frame[0]}:{frame[1]}" if frame[1] else frame[0]
            at = sums.setdefault(plain(name), [0, 0])
            at[0] += frame[3]
            at[1] += frame[4]
    theirs = {}
    for (name, _object), count in truth["top_self_samples"]:
        if name.count("<") == name.count(">"):  # the reference reader cuts names at " ("
            theirs[name] = theirs.get(name, 0) + count
    for name, count in theirs.items():
        if sums.get(plain(name), [0, 0])[0] < count:
            wrong.append(f"self of {name}: {sums.get(plain(name))}, should be {count}")
    return wrong


@checks("callgrind")
def callgrind(got, truth, _entry):
    wrong = []
    reader = truth["own_reader"]
    rows = got["graph"]["rows"]
    compare(wrong, "self", sum(r["self"] for r in rows), float(reader["self_total"]))
    totals = [int(x) for x in reader["heads"].get("totals", "").split()]
    values = [v for s in got["sets"] for v in s["values"]]
    compare(wrong, "totals", [v["total"] for v in values][: len(totals)], totals)
    compare(wrong, "events", [v["name"] for v in values], reader["heads"]["events"])
    own = {}
    for row in rows:
        own[row["name"]] = own.get(row["name"], 0) + row["self"]
    for name, cost in reader["top_self"]:
        compare(wrong, f"self of {name}", own.get(name), float(cost))
    edges = {}
    for caller, callee, calls, _primitive, _self, total in got["graph"]["edges"]:
        at = edges.setdefault((rows[caller]["name"], rows[callee]["name"]), [0, 0])
        at[0] += calls
        at[1] += total
    compare(wrong, "edges", len(edges), reader["edges"])
    for (caller, callee), (calls, cost) in reader["top_edges"]:
        compare(wrong, f"{caller} -> {callee}", edges.get((caller, callee)), [calls, float(cost)])
    return wrong


# ---- heaps ----


def near(wrong, what, ours, text):
    """heaptrack_print rounds to a few digits: "4.10K"."""
    scale = {"K": 1e3, "M": 1e6, "G": 1e9}.get(text[-1], 1)
    shown = text.rstrip("KMG")
    step = 10 ** -len(shown.partition(".")[2])
    if abs(ours / scale - float(shown)) > step * 0.51:
        wrong.append(f"{what}: {ours}, should be about {text}")


@checks("massif")
def massif(got, truth, _entry):
    wrong = []
    heads = truth["heads"]
    scale = 1000000 if heads["time_unit"] == "ms" else 1
    series = {s["name"]: s["points"] for s in got["series"]}
    for name, column in (("heap_useful", 1), ("heap_extra", 2), ("stacks", 3)):
        compare(wrong, name, series[name], [[p[0] * scale, p[column]] for p in truth["series"]])
    compare(wrong, "total", series["heap"], [[p[0] * scale, sum(p[1:])] for p in truth["series"]])
    compare(wrong, "peak", got["counters"].get("peak_bytes"), truth["peak_total"])
    compare(wrong, "tree", got["sets"][0]["values"][0]["total"], truth["peak_tree"][0][2])
    return wrong


@checks("heaptrack")
def heaptrack(got, truth, _entry):
    wrong = []
    values = {v["name"]: v["total"] for v in got["sets"][0]["values"]}
    compare(wrong, "allocations", values["allocations"], int(truth["calls_to_alloc"]))
    compare(wrong, "temporary", values["temporary"], int(truth["temporary"]))
    near(wrong, "peak", values["peak"], truth["peak"])
    near(wrong, "leaked", values["leaked"], truth["leaked"])
    rss = [s["points"] for s in got["series"] if s["name"] == "rss"][0]
    near(wrong, "rss", max(v for _, v in rss), truth["rss"])
    return wrong


# ---- binary samples ----


@checks("tachyon-binary")
def tachyon(got, truth, _entry):
    wrong = []
    one = got["sets"][0]
    values = one["values"][0]
    compare(wrong, "samples", values["total"], truth["thread_samples"])
    compare(wrong, "depth", one["max_depth"], truth["max_depth"])
    compare(wrong, "span", one["last_ns"] - one["first_ns"], (truth["last_ts"] - truth["first_ts"]) * 1000)
    compare(wrong, "threads", sorted(t["samples"] for t in values["threads"]), sorted(truth["threads"].values()))
    ours = add_up(values["frames"], lambda f: (plain(f[1]), f[2], plain(f[0])))
    for key, column in (("top_self", 0), ("top_cum", 1)):
        top(wrong, key, ours, [([f, max(0, line or 0), n], v) for (f, line, n), v in truth[key]], column)
    return wrong


@checks("gperftools-cpu")
def gperftools(got, truth, _entry):
    total = [line for line in truth["top"] if "total" in line.lower()]
    values = got["sets"][0]["values"]
    wrong = []
    found = re.match(r"Total: (\d+) samples", total[0]) if total else None
    if found:
        compare(wrong, "samples", values[1]["total"], int(found.group(1)))
    found = re.search(r"of ([0-9.]+)(s|ms) total", total[0]) if total else None
    if found:
        ns = float(found.group(1)) * (1e9 if found.group(2) == "s" else 1e6)
        compare(wrong, "cpu", float(values[0]["total"]), ns, 0.005)
    return wrong


@checks("vmprof")
def vmprof(got, truth, _entry):
    wrong = []
    one = got["sets"][0]
    compare(wrong, "samples", one["values"][0]["total"], truth["samples"])
    have = {}
    for frame in one["values"][0]["frames"]:
        key = (frame[0], frame[1], str(frame[6]))
        have[key] = max(have.get(key, 0), frame[4])
    for name, count in truth["top"]:
        _kind, function, line, file = name.split(":", 3)
        ours = have.get((function, "" if file == "-" else file, line))
        if not truth["profile_lines"]:  # with lines a function has a frame for each
            compare(wrong, name, ours, count)
        elif ours is None:
            wrong.append(f"{name} is missing")
    return wrong


@checks("pprof-legacy-text")
def pprof_legacy(got, truth, _entry):
    """go tool pprof prints rounded totals: "of 77.19MB total"."""
    wrong = []
    text = "\n".join(truth["top"])
    found = re.search(r"(?:of|for [0-9.]+\w*, 100% of) ([0-9.]+)([a-zA-Z]*) total", text)
    if not found:
        return wrong
    scales = {"kB": 1024, "MB": 1 << 20, "GB": 1 << 30, "B": 1, "": 1, "s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1}
    total = float(found.group(1)) * scales[found.group(2)]
    compare(wrong, "total", float(got["sets"][0]["values"][0]["total"]), total, 0.005)
    return wrong


@checks("memray")
def memray(got, truth, _entry):
    wrong = []
    values = {v["name"]: v for v in got["sets"][0]["values"]}
    for what, value, blocks in (("high_water", "peak", "peak_blocks"), ("leaked", "leaked", "leaked_blocks")):
        compare(wrong, what, values[value]["total"], truth[what]["bytes"])
        compare(wrong, f"{what} blocks", values[blocks]["total"], truth[what]["allocations"])
        ours = {}
        for frame in values[value]["frames"]:
            ours[(plain(frame[0]), plain(frame[1]), frame[2])] = frame[3]
        theirs = {}
        for size, _count, _allocator, stack in truth[what]["top"]:
            if stack:
                theirs[tuple(stack[0])] = theirs.get(tuple(stack[0]), 0) + size
        for place, size in theirs.items():
            if ours.get(place, 0) < size:
                wrong.append(f"{what} of {place}: {ours.get(place)}, should be {size}")
    return wrong
