"""What watching costs: CPU time of the target with and without `heliograph run`, and the
collector's own CPU.

The target does the same work each time and prints its own CPU time (process_time), so that neither
start-up nor the other processes count. Plain and watched runs alternate; the figure is the median of
the paired ratios.
"""

import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

WORK = '''
import ast, difflib, json, re, time
TEXT = "\\n".join("def f%d(a, b=%d):\\n    return [a + i for i in range(b)]\\n" % (i, i) for i in range(60))
def parse():
    tree = ast.parse(TEXT)
    return sum(1 for _ in ast.walk(tree))
def dump():
    data = [{"id": i, "name": "n%d" % i, "tags": list(range(i % 9))} for i in range(600)]
    return json.loads(json.dumps(data))
def search():
    return [re.findall(r"[a-z]+%d\\b" % i, TEXT) for i in range(12)]
def compare():
    a = TEXT.splitlines()[:60]
    return list(difflib.unified_diff(a, a[::-1]))
def main(rounds):
    for _ in range(rounds):
        parse(); dump(); search(); compare()
begin = time.process_time()
main(ROUNDS)
print("CPU", time.process_time() - begin)
'''
# Many short pairs tell more than a few long ones: what disturbs comes in bursts of seconds.
ROUNDS = 150
PAIRS = int(os.environ.get("BENCH_PAIRS", "25"))


def cpu_of(output):
    return float(re.search(r"CPU ([0-9.]+)", output).group(1))


def run(command, env):
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True)


def measure(release, folder, script, options):
    env = {k: v for k, v in os.environ.items() if not k.startswith("HELIOGRAPH_")}
    env["XDG_DATA_HOME"] = str(folder)
    plain_command = [sys.executable, str(script)]
    watched_command = [str(release / "heliograph"), "run", "--no-open", "--save", str(folder / "x.heliograph"), *options, "--", *plain_command]
    ratios, plains, collectors, samples, walls = [], [], [], [], []
    for pair in range(PAIRS):
        order = (0, 1) if pair % 2 == 0 else (1, 0)
        cpu = [0.0, 0.0]
        for which in order:
            began = time.monotonic()
            done = run(watched_command if which else plain_command, env)
            cpu[which] = cpu_of(done.stdout)
            if which:
                walls.append(time.monotonic() - began)
                found = re.search(r"(\d+) samples.*collector used ([0-9.]+) s", done.stderr)
                samples.append(int(found.group(1)))
                collectors.append(float(found.group(2)))
        plains.append(cpu[0])
        ratios.append(cpu[1] / cpu[0])
    # Of a median, for values that are about normally spread.
    error = 1.25 * statistics.stdev(ratios) / len(ratios) ** 0.5
    return (statistics.median(plains), statistics.median(ratios), error, statistics.median(collectors) / statistics.median(walls),
            statistics.median(samples))


def main(release):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        script = folder / "work.py"
        script.write_text(WORK.replace("ROUNDS", str(ROUNDS)))
        print(f"python {sys.version.split()[0]}, {PAIRS} pairs, median of paired ratios")
        print(f"{'':34}{'plain CPU':>10}{'target':>10}{'error':>7}{'collector':>12}{'samples':>9}")
        for label, options in (("100 Hz, stacks + RSS", ["--rate", "100", "--memory", "off"]),
                               ("the same, never stopping", ["--rate", "100", "--memory", "off", "--never-stop"]),
                               ("1 kHz, stacks + RSS", ["--rate", "1000", "--memory", "off"]),
                               ("100 Hz, and sampled allocations", ["--rate", "100", "--memory", "sampled"])):
            try:
                plain, ratio, error, collector, samples = measure(release, folder, script, options)
            except subprocess.CalledProcessError as error:
                print(f"{label:34} could not run: {error.stderr.strip().splitlines()[-1]}")
                continue
            print(f"{label:34}{plain:9.2f}s{100 * (ratio - 1):+9.2f}% ±{100 * error:5.2f}{100 * collector:10.2f} %{samples:9.0f}")
        print("target: CPU time of the program against the plain run; collector: its CPU as part of one core")


if __name__ == "__main__":
    main(pathlib.Path(__file__).resolve().parent.parent / "build/release")
