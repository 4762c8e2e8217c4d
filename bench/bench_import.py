"""What reading a saved profile costs: CPU time and peak memory of `heliograph report FILE` (start-up and
the table of functions included) beside the tool's own reader on the same file, in alternation; medians.

pstats.Stats is Python's; memray comes from the package index and speedscope from npm, into build/; its
importer runs under node. What cannot be run here is said and left out. HELIOGRAPH_BENCH_SIZE
is the size of the large text files in bytes (1 GB), STACKCOLLAPSE_PERF the path of FlameGraph's script.
"""

import json
import marshal
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
LARGE = int(os.environ.get("HELIOGRAPH_BENCH_SIZE", "1000000000"))
SPEEDSCOPE = "1.25.0"


def cost(command):
    """(CPU seconds, peak MiB) of one run; None when it fails."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    return None if status else (usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def skip(what):
    print(f"SKIP: {what}", flush=True)


# ---- files ----


def pstats_file(path, functions=60000):
    keys = [(f"/usr/lib/python3/x{i % 200}.py", i, f"function_{i}") for i in range(functions)]
    edges = lambda i: {keys[(i * 31 + j) % len(keys)]: (j + 1, j + 1, 0.1 * j, 0.2 * j) for j in range(6)}
    with open(path, "wb") as out:
        marshal.dump({k: (i, i + 1, i * 0.001, i * 0.01, edges(i)) for i, k in enumerate(keys)}, out)


def stacks_of(names, count):
    """Neighbours share most of their frames, as a program's stacks do."""
    random.seed(1)
    base = []
    for _ in range(count):
        base = base[: random.randint(0, len(base))]
        while len(base) < random.randint(12, 32):
            base.append(random.choice(names))
        yield list(base)


def folded_file(path, size, count=60000):
    names = [f"module_{i % 97}.Class{i % 31}.function_{i} (src/package_{i % 53}/module_{i % 97}.py:{i % 700})" for i in range(4000)]
    block = "".join(f"{';'.join(stack)} {random.randint(1, 999)}\n" for stack in stacks_of(names, count))
    with open(path, "w") as out:
        while out.tell() < size:
            out.write(block)
    return len(block)


def perf_file(path, size):
    frames = [f"\t{0x7F0000401000 + i * 64:16x} function_name_{i}+0x{i % 200:x} (/usr/lib/x86_64-linux-gnu/libexample-{i % 37}.so.1.2)\n" for i in range(5000)]
    stacks = ["".join(reversed(stack)) for stack in stacks_of(frames, 40000)]
    written, at, distinct = 0, 1000.0, sum(len(s) for s in stacks)
    with open(path, "w") as out:
        while written < size:
            lines = []
            for stack in random.choices(stacks, k=2000):
                at += 0.0001
                lines.append(f"python3.11 {4000 + int(at) % 8}/{4100 + int(at * 7) % 32} [00{int(at) % 8}] {at:.6f}:   10101010 cycles:P: \n{stack}\n")
            text = "".join(lines)
            written += len(text)
            out.write(text)
    return distinct


def memray_file(path, python):
    program = "import json\nkept = [json.loads(json.dumps({str(i): [i] * 20 for i in range(200)})) for _ in range(60)]\n"
    done = subprocess.run([str(python), "-m", "memray", "run", "-q", "-f", "--trace-python-allocators", "-o", str(path), "-c", program], capture_output=True)
    return done.returncode == 0


MAKERS = {"pstats": pstats_file, "folded": folded_file, "perf": perf_file}


def make(kind, path, *numbers):
    """In a process of its own: a child's peak is never less than what its parent held."""
    done = subprocess.run([sys.executable, __file__, "--make", kind, str(path), *map(str, numbers)], check=True, capture_output=True, text=True)
    return int(done.stdout or 0)


# ---- who reads ----


def median_costs(commands):
    """Medians of (CPU, peak) by name, one after the other so that a busy machine is busy for all."""
    found = {name: [] for name in commands}
    for _ in range(RUNS):
        for name, command in commands.items():
            found[name].append(cost(command))
    return {name: None if None in all_ else tuple(statistics.median(c[i] for c in all_) for i in (0, 1)) for name, all_ in found.items()}


def show(title, path, commands, goal=""):
    size = os.path.getsize(path) / 1e6
    costs = median_costs(commands)
    ours = costs["heliograph"]
    for name, found in costs.items():
        if not found:
            skip(f"{name} failed on {title}")
            continue
        ratio = f"  ours is {found[0] / ours[0]:.1f} times as fast{goal}" if name != "heliograph" and ours else ""
        print(f"{title:22} {size:8.1f} MB  {name:14} {found[0]:7.2f} s CPU {size / found[0]:7.0f} MB/s {found[1]:7.0f} MiB{ratio}", flush=True)
    return ours


def large(title, path, ours, distinct):
    seconds, peak = cost([*ours, str(path)]) or (None, None)
    if seconds is None:
        return skip(f"{title}: refused")
    print(f"{title:22} {os.path.getsize(path) / 1e6:8.1f} MB  {'heliograph':14} {seconds:7.2f} s CPU (goal: under 5) {peak:7.0f} MiB;"
          f" its distinct stacks are {distinct / 2**20:.0f} MiB of text (goal: under 1.5 times)", flush=True)


def memray_python(build):
    folder = build / "bench-memory-venv"
    python = folder / "bin" / "python3"
    if not python.exists():
        subprocess.run([os.environ.get("BENCH_PYTHON", sys.executable), "-m", "venv", str(folder)], check=True)
    if subprocess.run([str(python), "-c", "import memray"], capture_output=True).returncode:
        subprocess.run([str(python), "-m", "pip", "install", "-q", "memray"], capture_output=True)
    return python if subprocess.run([str(python), "-c", "import memray"], capture_output=True).returncode == 0 else None


def speedscope(build, path):
    """{"seconds","peak_mib"}, or None and why not said."""
    modules = build / "bench-speedscope"
    if not shutil.which("node") or not shutil.which("npm"):
        return skip("speedscope's importer: there is no node here")
    if not (modules / "node_modules/speedscope").exists():
        modules.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(modules), f"speedscope@{SPEEDSCOPE}"], capture_output=True)
    done = subprocess.run(["node", str(HERE / "import_others/speedscope.mjs"), str(modules), str(path)], capture_output=True, text=True)
    if done.returncode:
        return skip(f"speedscope's importer: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'failed'}")
    return json.loads(done.stdout)


def beside_speedscope(build, title, path, ours):
    """Ours with its start-up and table, theirs the import alone."""
    pairs = [(cost([*ours, str(path)]), speedscope(build, path)) for _ in range(RUNS)]
    if None in [found for pair in pairs for found in pair]:
        return skip(f"{title}: refused, or no importer to compare with")
    middle = lambda values: statistics.median(list(values))
    size = os.path.getsize(path) / 1e6
    seconds, peak = middle(a[0] for a, _ in pairs), middle(a[1] for a, _ in pairs)
    theirs, their_peak = middle(b["seconds"] for _, b in pairs), middle(b["peak_mib"] for _, b in pairs)
    print(f"{title:22} {size:8.1f} MB  {'heliograph':14} {seconds:7.2f} s CPU {size / seconds:7.0f} MB/s {peak:7.0f} MiB")
    print(f"{title:22} {size:8.1f} MB  {'speedscope':14} {theirs:7.2f} s CPU {size / theirs:7.0f} MB/s {their_peak:7.0f} MiB"
          f"  ours is {theirs / seconds:.1f} times as fast (goal: 5); its importer under node", flush=True)


def main(release):
    program = [str(release / "heliograph"), "report", "--top", "5"]
    build = release.parent
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        path = folder / "big.prof"
        make("pstats", path)
        show("pstats", path, {"heliograph": [*program, str(path)], "pstats.Stats": [sys.executable, "-c", f"import pstats; pstats.Stats({str(path)!r})"]}, " (goal: 10)")
        python = memray_python(build)
        path = folder / "capture.bin"
        if python and memray_file(path, python):
            show("memray", path, {"heliograph": [*program, str(path)], "memray stats": [str(python), "-m", "memray", "stats", str(path)]})
        else:
            skip("memray cannot be installed or run here")
        path = folder / "stacks.folded"
        make("folded", path, 60_000_000, 60_000)
        beside_speedscope(build, "collapsed", path, program)
        traced = folder / "stacks.speedscope.json"
        subprocess.run([program[0], "convert", str(path), "-o", str(traced), "--to", "speedscope"], check=True, capture_output=True)
        beside_speedscope(build, "speedscope JSON", traced, program)
        path = folder / "heap.pb.gz"
        subprocess.run([program[0], "convert", str(folder / "stacks.folded"), "-o", str(path), "--to", "pprof"], check=True, capture_output=True)
        if shutil.which("go"):
            show("pprof", path, {"heliograph": [*program, str(path)], "go tool pprof": ["go", "tool", "pprof", "-top", "-nodecount=5", str(path)]})
        else:
            skip("go tool pprof: there is no go here")
        script = os.environ.get("STACKCOLLAPSE_PERF")
        path = folder / "perf.txt"
        if script and shutil.which("perl"):
            make("perf", path, LARGE // 10)
            show("perf script", path, {"heliograph": [*program, str(path)], "stackcollapse-perf.pl": ["perl", script, str(path)]})
            path.unlink()
        else:
            skip("stackcollapse-perf.pl: in no package of Debian, npm or the Python index; STACKCOLLAPSE_PERF says where it is")
        path = folder / "large.txt"
        for title, kind in (("large collapsed", "folded"), ("large perf script", "perf")):
            large(title, path, program, make(kind, path, LARGE))
            path.unlink()


if __name__ == "__main__" and sys.argv[1:2] == ["--make"]:
    print(MAKERS[sys.argv[2]](sys.argv[3], *map(int, sys.argv[4:])) or 0)
elif __name__ == "__main__":
    main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/release").resolve())
