"""What following allocations costs the program: CPU time of the work itself (in-script, start-up left
out) under each tool, in alternation with plain runs on the same Python; medians of the paired ratios.

memray and memory_profiler come from the package index into a virtual environment under build/. What
cannot be run here is said and left out.
"""

import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
WORK = HERE / "memory_programs" / "work.py"
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
SIZE = os.environ.get("BENCH_SIZE", "2")
WORKS = ["small_objects", "big_buffers", "json_records", "slots", "dicts", "fib", "threads", "arrays"]
LIMIT = {"ours exact": 1.35, "ours sampled": 1.03}


def python_for(build):
    """A virtual environment with the tools to compare with; the packages that it really has."""
    folder = build / "bench-memory-venv"
    python = folder / "bin" / "python3"
    if not python.exists():
        base = os.environ.get("BENCH_PYTHON", sys.executable)
        subprocess.run([base, "-m", "venv", str(folder)], check=True)
    have = set()
    for package, module in (("memray", "memray"), ("memory_profiler", "memory_profiler"), ("numpy", "numpy")):
        works = subprocess.run([str(python), "-c", f"import {module}"], capture_output=True).returncode == 0
        if not works:
            done = subprocess.run([str(python), "-m", "pip", "install", "-q", package], capture_output=True, text=True)
            works = done.returncode == 0
        if works:
            have.add(package)
        else:
            print(f"SKIP: {package} cannot be installed here", flush=True)
    return python, have


def commands(release, python, have, folder, work):
    program = [str(WORK), work, SIZE]
    out = str(folder / "capture")
    probe, agent = str(release / "heap_probe"), str(release / "libheliograph-agent.so")
    found = {
        "plain": [str(python), *program],
        "ours exact": [probe, agent, "exact", "--no-rows", "--", str(python), *program],
        "ours sampled": [probe, agent, "sampled", "--no-rows", "--", str(python), *program],
        "tracemalloc 1": [str(python), "-X", "tracemalloc=1", *program],
        "tracemalloc 25": [str(python), "-X", "tracemalloc=25", *program],
    }
    if "memray" in have:
        found["memray"] = [str(python), "-m", "memray", "run", "-q", "-f", "-o", out, *program]
        found["memray +python"] = [str(python), "-m", "memray", "run", "-q", "-f", "--trace-python-allocators", "-o", out, *program]
    if "memory_profiler" in have:
        found["mprof"] = [str(python), "-m", "mprof", "run", "-o", out, *program]
    wanted = os.environ.get("BENCH_TOOLS", "").split(",")
    return {name: command for name, command in found.items() if wanted == [""] or name == "plain" or name in wanted}


def cpu_of(command):
    """The work's CPU time, and what our own collector says of itself."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE)
    said = re.findall(r"CPU ([0-9.]+)", done.stdout + done.stderr)
    if done.returncode or not said:
        return None, None
    own = json.loads(done.stdout) if done.stdout.startswith("{") else None
    return float(said[-1]), own


def measure(release, python, have, folder, work):
    ways = commands(release, python, have, folder, work)
    ratios = {name: [] for name in ways}
    plains, owns, least = [], {}, {}
    for _ in range(RUNS):
        # Each tool stands beside a plain run of its own, since the machine's pace changes.
        for name, command in ways.items():
            if name == "plain":
                continue
            plain, _ = cpu_of(ways["plain"])
            cpu, own = cpu_of(command)
            if plain is None or cpu is None:
                continue
            plains.append(plain)
            ratios[name].append(cpu / plain)
            least[name] = min(cpu, least.get(name, cpu))
            if own:
                own["extra_s"] = cpu - plain
                owns.setdefault(name, []).append(own)
    return plains, ratios, owns, least


def table(results, names):
    print(f"\n{'work':16}{'plain s':>9}" + "".join(f"{name:>16}" for name in names))
    for work, (plains, ratios, *_) in results.items():
        line = f"{work:16}{statistics.median(plains):9.3f}"
        for name in names:
            values = ratios.get(name) or []
            line += f"{'x%.3f' % statistics.median(values):>16}" if values else f"{'-':>16}"
        print(line)


def quietest(results):
    """The least of all runs over the least of all plain ones: on a busy machine the surer figure."""
    print(f"\n{'least / least':16}" + "".join(f"{name:>16}" for name in LIMIT))
    for work, (plains, _, _, least) in results.items():
        print(f"{work:16}" + "".join(f"{'x%.3f' % (least[name] / min(plains)) if name in least else '-':>16}" for name in LIMIT))


def particulars(results):
    print(f"\n{'work':16}{'mode':>14}{'M events':>10}{'ns/event':>10}{'collector ns':>14}{'gaps':>7}{'waits':>7}{'tables MiB':>12}")
    for work, (_, _, owns, _) in results.items():
        for name, runs in owns.items():
            events = statistics.median(r["events"] for r in runs)
            if name == "ours exact" and events:
                print(f"{work:16}{name:>14}{events / 1e6:10.2f}{statistics.median(r['extra_s'] for r in runs) * 1e9 / events:10.1f}"
                      f"{statistics.median(r['collector_cpu_us'] for r in runs) * 1e3 / events:14.1f}"
                      f"{sum(r['lost'] for r in runs):7}{sum(r['waits'] for r in runs):7}"
                      f"{max(r['table_bytes'] for r in runs) / 2**20:12.1f}")


def keeping_up(release, python):
    """Exact mode with the program on one core and the collector on the other: no event may be lost, and what the
    collector holds is to follow the blocks that are alive."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2 or not shutil.which("taskset"):
        print("SKIP: keeping up needs two cores and taskset")
        return
    print(f"\n{'asked M/s':>10}{'made M/s':>10}{'late ms':>9}{'events M':>10}{'gaps':>6}{'waits':>7}{'collector':>11}"
          f"{'ns/event':>10}{'blocks':>10}{'stacks':>8}{'tables MiB':>12}{'RSS MiB':>9}{'B/block':>9}")
    for rate, blocks in ((10, 0), (10, 1000000), (10, 4000000), (0, 1000000)):
        # taskset in front of the collector, and again in front of what it starts.
        command = ["taskset", "-c", str(cores[1]), str(release / "heap_probe"), str(release / "libheliograph-agent.so"), "exact",
                   "--no-rows", "--", "taskset", "-c", str(cores[0]), str(python), str(HERE / "memory_programs" / "rate.py"),
                   str(rate), os.environ.get("BENCH_SECONDS", "5"), str(blocks)]
        done = subprocess.run(command, capture_output=True, text=True)
        said = re.search(r"RATE (\d+) ([0-9.]+) ([0-9.]+)", done.stderr)
        if done.returncode or not said:
            print(f"rate.py failed: {done.stderr[-300:]}")
            continue
        own = json.loads(done.stdout)
        took = float(said.group(2))
        tables = own["table_bytes"]
        print(f"{rate or 'all':>10}{int(said.group(1)) / took / 1e6:10.2f}{float(said.group(3)) * 1e3:9.1f}{own['events'] / 1e6:10.1f}"
              f"{own['lost']:6}{own['waits']:7}{own['collector_cpu_us'] / 1e6 / took:10.0%} "
              f"{own['collector_cpu_us'] * 1e3 / own['events']:10.1f}{own['peak_blocks']:10}{own['stacks']:8}{tables / 2**20:12.1f}"
              f"{own['collector_max_rss_kib'] / 1024:9.1f}{tables / max(own['peak_blocks'], 1):9.0f}")
        if own["lost"]:
            print(f"over its bound: {own['lost']} events lost at {rate or 'full'} M events/s, promised none")


def main(release):
    build = release.parent
    python, have = python_for(build)
    folder = build / "bench-memory"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    version = subprocess.run([str(python), "--version"], capture_output=True, text=True).stdout.strip()
    print(f"{version}, size {SIZE}, {RUNS} pairs a figure, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores: "
          "CPU time of the work, times plain", flush=True)
    works = os.environ.get("BENCH_WORKS", "").split() or [w for w in WORKS if w != "arrays" or "numpy" in have]
    results = {}
    for work in works:
        results[work] = measure(release, python, have, folder, work)
        _, ratios, _, least = results[work]
        print(f"{work}: " + ", ".join(f"{name} x{statistics.median(values):.3f}" for name, values in ratios.items() if values), flush=True)
    names = [n for n in commands(release, python, have, folder, "fib") if n != "plain"]
    table(results, names)
    quietest(results)
    particulars(results)
    keeping_up(release, python)
    for work, (_, ratios, *_) in results.items():
        for name, limit in LIMIT.items():
            value = statistics.median(ratios[name]) if ratios[name] else 0
            if work == "fib" and name == "ours exact":
                limit = 1.02
            if value > limit:
                print(f"over its bound: {name} on {work} x{value:.3f}, promised x{limit}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else HERE.parent / "build/release")
