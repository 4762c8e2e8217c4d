"""Checks of the JSON and protobuf formats: see conformance_checks.py.

Sums over a function's frames count a stack twice where it holds two lines of one function, so that
cumulative numbers are compared from below where the truth is by function and from both sides where
it is by frame.
"""

from conformance_checks import checks, compare, plain, scale_of

NANOSECONDS = {"nanoseconds": 1, "microseconds": 10**3, "milliseconds": 10**6, "seconds": 10**9}


def add_up(frames, key):
    out = {}
    for frame in frames:
        sums = out.setdefault(key(frame), [0, 0])
        sums[0] += frame[3]
        sums[1] += frame[4]
    return out


def by_name(frame):
    return (plain(frame[0]), plain(frame[1]))


def by_line(frame):
    return (plain(frame[0]), plain(frame[1]), frame[2])


def by_first_line(frame):
    return (plain(frame[0]), plain(frame[1]), frame[6])


def close(wrong, what, ours, theirs, tolerance):
    if ours is None or abs(ours - theirs) > tolerance:
        wrong.append(f"{what}: {ours!r}, should be {theirs!r}")


def at_least(wrong, what, ours, theirs, tolerance=0):
    if ours is None or ours < theirs - tolerance:
        wrong.append(f"{what}: {ours!r}, should be at least {theirs!r}")


def column(sums, key, at):
    return sums[key][at] if key in sums else None


@checks("speedscope")
def speedscope(got, truth, _entry):
    wrong = []
    totals = {}
    for profile in truth["profiles"]:
        unit = profile["unit"]
        name = "ns" if unit in NANOSECONDS else unit.replace("none", "count")
        amount = profile.get("weight_sum", profile["total_self"]) * NANOSECONDS.get(unit, 1)
        totals[name] = totals.get(name, 0) + amount
    ours = {}
    for sample_set in got["sets"]:
        unit, divisor = scale_of(sample_set["values"][0]["unit"])
        ours[unit] = ours.get(unit, 0) + sample_set["values"][0]["total"] / divisor
    samples = sum(s["samples"] for s in got["sets"])
    for unit, amount in totals.items():
        # weights in seconds are rounded to the nanosecond each
        close(wrong, f"total in {unit}", ours.get(unit), amount, samples if unit == "ns" else 1e-9)
    if all(p["type"] == "sampled" for p in truth["profiles"]):
        compare(wrong, "samples", samples, sum(p["samples"] for p in truth["profiles"]))
    if len(truth["profiles"]) == 1 and got["sets"]:
        profile = truth["profiles"][0]
        value = got["sets"][0]["values"][0]
        scale = NANOSECONDS.get(profile["unit"], 1) * scale_of(value["unit"])[1]
        sums = add_up(value["frames"], by_line)
        for what, key, at in (("self", "top_self", 0), ("total", "top_cum", 1)):
            for (name, file, line), amount in profile[key]:
                frame = (plain(name), plain(file or ""), line or 0)
                close(wrong, f"{what} of {name!r}", column(sums, frame, at), amount * scale, samples)
    return wrong


@checks("pprof")
def pprof(got, truth, _entry):
    wrong = []
    values = {v["name"]: v for s in got["sets"] for v in s["values"]}
    compare(wrong, "samples", sum(s["samples"] for s in got["sets"]), truth["samples"])
    for i, (name, _unit) in enumerate(truth["sample_types"]):
        compare(wrong, f"total of {name}", values[name]["total"], truth["totals"][i])
        sums = add_up(values[name]["frames"], by_name)
        for (function, file), amount in truth["top_self"][i]:
            ours = column(sums, (plain(function), plain(file)), 0)
            compare(wrong, f"self of {function!r}", ours, amount)
        for (function, file), amount in truth["top_cum"][i]:
            ours = column(sums, (plain(function), plain(file)), 1)
            at_least(wrong, f"total of {function!r}", ours, amount)
    labels = {}
    for sample_set in got["sets"]:
        for row in sample_set["label_sets"]:
            for key, value in row["labels"]:
                labels[f"{key}={value}"] = labels.get(f"{key}={value}", 0) + row["samples"]
    for label, count in truth["labels"].items():
        # a number's unit stands behind it there
        found = [labels[k] for k in labels if label == k or label.startswith(k)]
        if count not in found:
            wrong.append(f"label {label}: {found}, should be {count}")
    return wrong


@checks("chrome-trace")
def chrome_trace(got, truth, _entry):
    wrong = []
    compare(wrong, "events", got["counters"].get("events"), truth["events"])
    if "phases" not in truth:
        return wrong
    cpu = sum(s["samples"] for s in got["sets"] if s["name"] == "cpu")
    if truth["profile_chunk_samples"]:
        compare(wrong, "samples", cpu, truth["profile_chunk_samples"])
    ours = {}
    for sample_set in got["sets"]:
        if sample_set["name"] == "slices":
            for frame in sample_set["values"][0]["frames"]:
                ours[frame[0]] = ours.get(frame[0], 0) + frame[4]
    theirs = {}
    for name, amount, _count in truth["begin_end_top"] + truth["complete_top"]:
        theirs[name] = theirs.get(name, 0) + amount * 1000
    for name, amount in theirs.items():
        # a slice inside one of its own name counts once here, twice there
        if name not in ours:
            wrong.append(f"{name!r} is missing")
        elif truth["unclosed_begins"] == 0 and ours[name] > amount + 1000:
            wrong.append(f"{name!r}: {ours[name]}, should be at most {amount}")
    exact = sum(abs(ours.get(name, 0) - amount) <= 1000 for name, amount in theirs.items())
    is_nested = any(name.startswith("f") for name in theirs)  # the generator's calls recurse
    if len(theirs) > 2 and exact * 2 < len(theirs) and not is_nested:
        wrong.append(f"only {exact} of {len(theirs)} names have their exact time")
    return wrong


@checks("cpuprofile")
def cpuprofile(got, truth, _entry):
    wrong = []
    theirs = truth["following_delta"]
    value = got["sets"][0]["values"][0]
    compare(wrong, "samples", got["sets"][0]["samples"], truth["samples"])
    compare(wrong, "total", value["total"], theirs["sum"] * 1000)
    sums = add_up(value["frames"], by_first_line)
    expected = {}
    for (name, url, line, *_column), amount in theirs["top_self_us"]:
        key = (plain(name), plain(url), line + 1)
        expected[key] = expected.get(key, 0) + amount * 1000
    for key, amount in expected.items():
        compare(wrong, f"self of {key}", column(sums, key, 0), amount)
    for (name, url, line, *_column), amount in theirs["top_cum_us"]:
        key = (plain(name), plain(url), line + 1)
        at_least(wrong, f"total of {key}", column(sums, key, 1), amount * 1000)
    return wrong


@checks("heapprofile")
def heapprofile(got, truth, _entry):
    wrong = []
    value = got["sets"][0]["values"][0]
    compare(wrong, "total", value["total"], truth["total_self_bytes"])
    sums = add_up(value["frames"], by_first_line)
    for (name, url, line), amount in truth["top_self"]:
        key = (plain(name) or "(anonymous)", plain(url), line + 1)
        compare(wrong, f"self of {key}", column(sums, key, 0), amount)
    return wrong


@checks("heapsnapshot")
def heapsnapshot(got, truth, _entry):
    wrong = []
    size, count = got["sets"][0]["values"]
    compare(wrong, "size", size["total"], truth["total_self_size"])
    compare(wrong, "nodes", count["total"], truth["nodes"])
    compare(wrong, "edges", got["counters"]["edges"], truth["edges"])
    sizes = {(f[7], f[0]): f[3] for f in size["frames"]}
    counts = {(f[7], f[0]): f[3] for f in count["frames"]}
    for (kind, name), (number, amount) in truth["top_names"]:
        compare(wrong, f"size of {name!r}", sizes.get((kind, name)), amount)
        compare(wrong, f"count of {name!r}", counts.get((kind, name)), number)
    return wrong


@checks("dhat")
def dhat(got, truth, _entry):
    wrong = []
    values = {v["name"]: v["total"] for v in got["sets"][0]["values"]}
    compare(wrong, "bytes", values["allocated"], truth["total_bytes"])
    compare(wrong, "blocks", values["allocations"], truth["total_blocks"])
    compare(wrong, "peak", values["at peak"], truth["at_gmax_bytes"])
    compare(wrong, "end", values["at end"], truth["at_end_bytes"])
    return wrong


@checks("firefox")
def firefox(got, truth, _entry):
    wrong = []
    samples = truth.get("thread_samples") or sum(truth["samples"])
    compare(wrong, "samples", got["sets"][0]["samples"], samples)
    frames = got["sets"][0]["values"][0]["frames"]
    threads = [t for t in got["sets"][0]["values"][0]["threads"] if t["samples"]]
    theirs = truth["threads"]
    compare(wrong, "threads", len(threads), theirs if isinstance(theirs, int) else len(theirs))
    # Tachyon's files name the file without its folder
    sums = add_up(frames, lambda f: (plain(f[0]), plain(f[1]).rpartition("/")[2], f[2]))
    names = add_up(frames, by_name)
    for what, key, at in (("self", "top_self", 0), ("total", "top_cum", 1)):
        expected = {}
        for frame, amount in truth[key]:
            if len(frame) == 2:
                ours = column(names, (plain(frame[0]), plain(frame[1])), at)
                (compare if at == 0 else at_least)(wrong, f"{what} of {frame}", ours, amount)
            else:
                file, line, name = frame
                short = (plain(name), plain(file).rpartition("/")[2], line)
                expected[short] = expected.get(short, 0) + amount
        for short, amount in expected.items():
            if short[1] == "~":
                continue  # builtins have no file there
            (compare if at == 0 else at_least)(wrong, f"{what} of {short}", column(sums, short, at), amount)
    return wrong


@checks("pyinstrument-session")
def pyinstrument_session(got, truth, _entry):
    wrong = []
    value = got["sets"][0]["values"][0]
    compare(wrong, "records", got["sets"][0]["samples"], truth["frame_records"])
    close(wrong, "total", value["total"] / 1e9, truth["sum_record_time"], 1e-9)
    close(wrong, "duration", got["duration_ns"] / 1e9, truth["duration"], 1e-9)
    sums = add_up(value["frames"], by_first_line)
    for what, key, at in (("self", "top_self", 0), ("total", "top_cum", 1)):
        for (name, file, line), amount in truth.get(key, []):
            if file == "<thread>" or name == "[self]":
                continue  # a thread here; and what its own tool adds to its tree
            ours = column(sums, (plain(name), plain(file), line), at)
            ours = None if ours is None else ours / 1e9
            if at == 0:
                close(wrong, f"self of {name!r}", ours, amount, 1e-7)
            else:
                at_least(wrong, f"total of {name!r}", ours, amount, 1e-7)
    return wrong


@checks("pyinstrument-json")
def pyinstrument_json(got, truth, _entry):
    wrong = []
    close(wrong, "total", got["sets"][0]["values"][0]["total"] / 1e9, truth["root_time"], 1e-9)
    compare(wrong, "samples", got["counters"]["samples"], truth["sample_count"])
    return wrong


@checks("tachyon-jsonl")
def tachyon_jsonl(got, truth, _entry):
    wrong = []
    rows = {}
    for row in got["graph"]["rows"]:
        key = (plain(row["file"]), row["line"], plain(row["name"]))
        sums = rows.setdefault(key, [0, 0])
        sums[0] += row["self"]
        sums[1] += row["total"]
    compare(wrong, "samples", sum(r[0] for r in rows.values()), float(truth["thread_samples"]))
    for frame, amount in truth["top_self"]:
        key = (plain(frame[0]), frame[1], plain(frame[2]))
        compare(wrong, f"self of {key}", column(rows, key, 0), float(amount))
    for frame, amount in truth["top_cum"]:
        # the file sums by column too: a recursion on one line is there twice
        key = (plain(frame[0]), frame[1], plain(frame[2]))
        at_least(wrong, f"total of {key}", column(rows, key, 1), amount)
    return wrong


@checks("tachyon-flamegraph-html")
def tachyon_page(got, truth, _entry):
    wrong = []
    value = got["sets"][0]["values"][0]
    compare(wrong, "samples", value["total"], truth["thread_samples"])
    sums = add_up(value["frames"], lambda f: (plain(f[1]), f[2], plain(f[0])))
    pruned = sum(f[3] for f in value["frames"] if f[0] == "(pruned)")
    for frame, amount in truth["top_self"]:
        key = (plain(frame[0]), frame[1], plain(frame[2]))
        # the page leaves narrow boxes out; how much is known
        close(wrong, f"self of {key}", column(sums, key, 0), amount, pruned)
    return wrong


@checks("scalene")
def scalene(got, truth, _entry):
    wrong = []
    lines = {}
    for row in got["lines"]:
        sums = lines.setdefault((plain(row["file"]), row["at"]), [0, 0])
        sums[0] += row["time_s"]
        sums[1] += row["increment"]
    for file, expected in truth["files"].items():
        for line, percent, *_text in expected["top_cpu"]:
            ours = lines.get((plain(file), line), [0, 0])[0]
            close(wrong, f"{file}:{line}", ours, percent / 100 * truth["elapsed"], 1e-9)
        for line, mib in expected["top_malloc"]:
            ours = lines.get((plain(file), line), [0, 0])[1]
            close(wrong, f"memory of {file}:{line}", ours, mib * 1048576, 1e-3)
    compare(wrong, "points", sum(len(s["points"]) for s in got["series"]), truth["samples"])
    stacks = sum(s["samples"] for s in got["sets"] if s["name"] == "cpu")
    compare(wrong, "stacks", stacks, truth["stacks"])
    return wrong


@checks("pytest-benchmark")
def pytest_benchmark(got, truth, _entry):
    wrong = []
    compare(wrong, "benchmarks", len(got["benchmarks"]), len(truth["benchmarks"]))
    for ours, theirs in zip(got["benchmarks"], truth["benchmarks"]):
        stats = theirs["stats"]
        compare(wrong, "name", ours["name"], theirs["fullname"] or theirs["name"])
        for key in ("mean", "median", "stddev", "min", "max"):
            compare(wrong, f"{key} of {ours['name']}", ours[f"{key}_s"], float(stats[key]))
        for key in ("rounds", "iterations"):
            if key in stats:
                compare(wrong, f"{key} of {ours['name']}", ours[key], stats[key])
        compare(wrong, f"data of {ours['name']}", ours["data"], theirs["data_len"])
    return wrong
