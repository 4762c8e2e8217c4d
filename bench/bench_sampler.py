"""How fast, how cheap and how gentle the sampler is; beside Austin and py-spy when they are installed.

    make bench-sampler, or python3 bench/bench_sampler.py [--seconds S] [--python PATH]... [--rates 100,1000,10000] [--skip-rates]

For each Python and program: the most stacks a second that one core can take (stacks per second of
the sampler's own CPU time; `valid` means torn ones do not count), and for each rate the sampler's
CPU use, the deadlines missed, and how much slower the program ran than without it (its rounds per
second of its own CPU time, run in turns with plain runs)."""

import argparse
import json
import os
import pathlib
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "tests"))

import support  # noqa: E402

PROBE = pathlib.Path(os.environ.get("HELIOGRAPH_RELEASE", ROOT / "build/release")) / "tests/integration/sampler_probe"
PROGRAMS = ["shallow", "deep", "threads", "real"]


def rounds_in(text):
    return float(re.search(r"rounds ([0-9.]+)", text).group(1))


def command(python, program, seconds):
    return [python, str(HERE / "sampler_programs" / f"{program}.py"), str(seconds)]


def plain(python, program, seconds):
    return rounds_in(subprocess.run(command(python, program, seconds), capture_output=True, text=True, check=True).stdout)


def ours(python, program, seconds, rate):
    done = subprocess.run([str(PROBE), "--quiet", "--rate", str(rate), "--", *command(python, program, seconds)],
                          capture_output=True, text=True, check=True)
    counters = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")][-1]
    return rounds_in(done.stdout), counters


def austin(python, program, seconds):
    """Stacks a second of Austin's CPU time at its smallest interval, or None."""
    if not shutil.which("austin"):
        return None
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    target = subprocess.Popen(command(python, program, seconds), stdout=subprocess.DEVNULL)
    time.sleep(0.2)
    done = subprocess.run(["austin", "-i", "1", "-x", str(max(1, int(seconds) - 1)), "-p", str(target.pid)],
                          capture_output=True, text=True, errors="replace")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)  # the target is not waited for yet
    target.wait()
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    stacks = sum(1 for line in done.stdout.splitlines() if line.startswith("P") and ":INVALID:" not in line)
    return stacks / spent if spent > 0 else None


def show(value, unit=""):
    return "-" if value is None else f"{value:,.0f}{unit}"


def main(release=None, arguments=()):
    global PROBE
    if release:
        PROBE = pathlib.Path(release) / "tests/integration/sampler_probe"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--python", action="append")
    parser.add_argument("--programs", default=",".join(PROGRAMS))
    parser.add_argument("--rates", default="100,1000,10000")
    parser.add_argument("--skip-rates", action="store_true")
    args = parser.parse_args(arguments)
    pythons = {p: p for p in args.python} if args.python else support.pythons()
    programs = args.programs.split(",")

    print("| Python | program | valid stacks/s on one core | torn | by a stop | reads a stack | Austin |")
    print("|---|---|---|---|---|---|---|")
    for label, python in pythons.items():
        for program in programs:
            runs = [ours(python, program, args.seconds, 0)[1] for _ in range(args.repeat)]
            best = statistics.median(c["samples"] / c["cpu_seconds"] for c in runs)
            total = sum(c["samples"] for c in runs)
            print(f"| {label} | {program} | {show(best)} | {sum(c['torn'] for c in runs) / total:.3%} "
                  f"| {sum(c['stopped'] for c in runs) / total:.3%} | {sum(c['reads'] for c in runs) / total:.2f} "
                  f"| {show(austin(python, program, args.seconds))} |", flush=True)
    if args.skip_rates:
        return
    print()
    print("| Python | program | rate | CPU of the sampler | deadlines missed | program slower by |")
    print("|---|---|---|---|---|---|")
    for label, python in pythons.items():
        for program in programs:
            for rate in map(int, args.rates.split(",")):
                base, with_us, cpu, missed = [], [], [], []
                for _ in range(args.repeat):
                    base.append(plain(python, program, args.seconds))
                    rounds, counters = ours(python, program, args.seconds, rate)
                    with_us.append(rounds)
                    cpu.append(counters["cpu_seconds"] / counters["seconds"])
                    missed.append(counters["missed"] / (counters["ticks"] + counters["missed"]))
                slower = 1 - statistics.median(with_us) / statistics.median(base)
                print(f"| {label} | {program} | {rate} Hz | {statistics.median(cpu):.2%} "
                      f"| {statistics.median(missed):.2%} | {slower:+.1%} |", flush=True)


if __name__ == "__main__":
    main(arguments=sys.argv[1:])
