"""Runs every fuzz target for a while: `make fuzz` (FUZZ_SECONDS=60 each).

Builds the `fuzz` preset (clang, libFuzzer, ASan, UBSan). What is found stays as a file under
build/fuzz-findings/TARGET; mend it, then add the file to tests/fuzz/regressions/TARGET.
"""

import argparse
import os
import pathlib
import resource
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build" / "fuzz"


def build(only):
    subprocess.run(["cmake", "--preset", "fuzz"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    listing = subprocess.run(["ninja", "-C", str(BUILD), "-t", "targets", "all"], capture_output=True, text=True, check=True).stdout
    targets = sorted({line.split(":")[0] for line in listing.splitlines() if line.startswith("fuzz_") and line.endswith(": phony")})
    targets = [t for t in targets if not only or only in t]
    subprocess.run(["ninja", "-C", str(BUILD), *targets], check=True, stdout=subprocess.DEVNULL)
    return targets


def program(target):
    return next(p for p in BUILD.rglob(target) if p.is_file() and os.access(p, os.X_OK))


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def fuzz(target, seconds):
    here = ROOT / "tests" / "fuzz"
    findings = ROOT / "build" / "fuzz-findings" / target
    corpus = ROOT / "build" / "fuzz-corpus" / target
    findings.mkdir(parents=True, exist_ok=True)
    corpus.mkdir(parents=True, exist_ok=True)
    seeds = [str(p) for p in (here / "corpus" / target, here / "regressions" / target) if p.is_dir()]
    before = cpu_seconds()
    done = subprocess.run([str(program(target)), f"-max_total_time={seconds}", "-rss_limit_mb=4096", "-timeout=20",
                           f"-artifact_prefix={findings}/", str(corpus), *seeds], capture_output=True, text=True, errors="replace")
    runs = [line for line in done.stderr.splitlines() if line.startswith("Done ")]
    print(f"  {'ok' if done.returncode == 0 else 'FOUND':6} {target:28} {runs[-1] if runs else ''}, {cpu_seconds() - before:.0f} s of CPU", flush=True)
    if done.returncode:
        print("\n".join("         | " + line[:160] for line in done.stderr.splitlines()[-30:]))
    return done.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--only")
    args = parser.parse_args()
    results = [fuzz(target, args.seconds) for target in build(args.only)]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
