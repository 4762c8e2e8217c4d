#!/usr/bin/env python3
"""Reading saved profiles: MB/s of CPU time and peak memory, beside the producer's own reader.

usage: bench_import.py PROBE     PROBE is tests/unit/formats/format_probe of a release build
"""

import marshal
import os
import random
import subprocess
import sys
import tempfile


def cost(command):
    """(CPU seconds, peak MiB) of one run."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    if status:
        sys.exit(f"{command} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def pstats_file(path):
    keys = [(f"/usr/lib/python3/x{i % 200}.py", i, f"function_{i}") for i in range(60000)]
    edges = lambda i: {keys[(i * 31 + j) % len(keys)]: (j + 1, j + 1, 0.1 * j, 0.2 * j) for j in range(6)}
    with open(path, "wb") as out:
        marshal.dump({k: (i, i + 1, i * 0.001, i * 0.01, edges(i)) for i, k in enumerate(keys)}, out)


def folded_file(path, size):
    random.seed(1)
    names = [f"module_{i % 40}.Class{i % 97}.method_{i} (/usr/lib/python3/file_{i % 61}.py:{i % 900})" for i in range(3000)]
    stacks = []
    for _ in range(40000):
        base = random.randrange(len(names))
        stacks.append(";".join(names[(base * 7 + j * j * 13) % 3000] if j > 4 else names[j] for j in range(random.randint(5, 30))))
    with open(path, "w") as out:
        while out.tell() < size:
            out.writelines(f"{random.choice(stacks)} {random.randint(1, 50)}\n" for _ in range(1000))


def perf_file(path, size):
    random.seed(1)
    with open(path, "w") as out:
        n = 0
        while out.tell() < size:
            for _ in range(200):
                n += 1
                frames = "".join(f"\t{4096 + f:x} function_{f}+0x{f % 64:x} (/usr/bin/program)\n" for f in random.choices(range(2000), k=20))
                out.write(f"program 7/8 [001] {n / 1000:.6f}: 250000 cpu-clock: \n{frames}\n")


def row(name, path, command, base=None):
    seconds, peak = min(cost(command) for _ in range(3))
    size = os.path.getsize(path) / 1e6
    beside = f"{base / seconds:6.1f} times" if base else ""
    print(f"{name:28} {size:8.1f} MB {seconds:8.2f} s CPU {size / seconds:8.0f} MB/s {peak:8.0f} MiB {beside}")
    return seconds


def main():
    probe = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "big.prof")
        pstats_file(path)
        base = row("pstats.Stats", path, [sys.executable, "-c", f"import pstats; pstats.Stats({path!r})"])
        row("pstats here", path, [probe, path, "--quiet"], base)
        for name, make in (("collapsed", folded_file), ("perf script", perf_file)):
            path = os.path.join(folder, "big.txt")
            make(path, 1_000_000_000 if "--large" in sys.argv else 200_000_000)
            row(name, path, [probe, path, "--quiet"])


if __name__ == "__main__":
    main()
