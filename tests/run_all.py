"""Runs every suite and ends with the plain line `N passed, N failed, N skipped`.

Suites: Criterion units and fuzz replays (through CTest, sanitized build), contract and integration
tests (Python's unittest, against the release build), the page's unit tests and the browser tests
(node). Each suite's own words go to build/test-logs/; what failed is shown at the end.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "test-logs"

CRITERION = re.compile(r"Synthesis: Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)")
PLAIN = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$", re.M)
UNITTEST = re.compile(r"^Ran (\d+) tests? in", re.M)
UNITTEST_END = re.compile(r"^(?:OK|FAILED)(?: \((.*)\))?$", re.M)


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, passed, failed, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped


def run(name, command, timeout, cwd=ROOT, env=None):
    """The suite's output and exit code; its output also goes to a log."""
    log = LOGS / (name.replace("/", "-") + ".log")
    began = time.monotonic()
    try:
        done = subprocess.run(command, cwd=cwd, env=env, timeout=timeout, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
        output, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode(errors="replace") if isinstance(late.stdout, bytes) else (late.stdout or "")
        output += f"\n(stopped after {timeout} s)\n"
        code = 124
    log.write_text(output)
    return output, code, time.monotonic() - began, log


def show(name, passed, failed, skipped, seconds, log, output):
    mark = "FAILED" if failed else "ok"
    print(f"  {mark:6} {name:44} {passed:4} passed {failed:3} failed {skipped:3} skipped {seconds:6.1f} s", flush=True)
    for line in output.splitlines():
        if line.startswith("SKIP"):
            print(f"         {line[:150]}")
    if failed:
        print(f"         last lines of {log.relative_to(ROOT)}:")
        for line in output.splitlines()[-25:]:
            print("         | " + line[:180])


def count_criterion(output, code):
    found = CRITERION.findall(output)
    tested, passing, failing, crashing = (sum(int(row[i]) for row in found) for i in range(4))
    failed = failing + crashing
    broke = re.search(r"ERROR: (Address|Leak)Sanitizer|runtime error:", output)
    if tested == 0:
        # A plain-main test (threads, fuzz replay): its exit code is its result.
        return (1, 0, 0) if code == 0 and not broke else (0, 1, 0)
    if (code != 0 or broke) and failed == 0:
        failed = 1
    return passing, failed, max(0, tested - passing - failing - crashing)


def ctest_programs(build):
    listing = subprocess.run(["ctest", "--show-only=json-v1"], cwd=build, capture_output=True, text=True, check=True).stdout
    import json
    for test in json.loads(listing)["tests"]:
        labels, folder = [], build
        for prop in test.get("properties", []):
            if prop["name"] == "LABELS":
                labels = prop["value"]
            if prop["name"] == "WORKING_DIRECTORY":
                folder = prop["value"]
        if "command" in test:
            yield test["name"], test["command"], labels, folder


def run_units(build, tally, failed_names, only):
    for name, command, labels, folder in ctest_programs(build):
        label = labels[0] if labels else "unit"
        if only and label != only:
            continue
        output, code, seconds, log = run(name, command, 900, cwd=folder, env=sanitizer_environment())
        counts = count_criterion(output, code)
        tally.add(*counts)
        if counts[1]:
            failed_names.append(name)
        show(f"{label}/{name}", *counts, seconds, log, output)


def sanitizer_environment():
    env = dict(os.environ)
    env.setdefault("ASAN_OPTIONS", "detect_stack_use_after_return=0:abort_on_error=0")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    return env


def count_words(output, code):
    """unittest's or the plain closing line's counts."""
    plain = PLAIN.findall(output)
    if plain:
        passed, failed, skipped = plain[-1]
        failed = int(failed)
        return int(passed), failed or (1 if code else 0), int(skipped or 0)
    ran = sum(int(n) for n in UNITTEST.findall(output))
    end = UNITTEST_END.findall(output)
    detail = ",".join(end)
    count = lambda word: sum(int(n) for n in re.findall(rf"{word}=(\d+)", detail))
    failed = count("failures") + count("errors") + count("unexpected successes")
    skipped = count("skipped")
    if code and failed == 0:
        failed = 1
    return max(0, ran - failed - skipped), failed, skipped


def run_python_suites(release, dev, tally, failed_names, only):
    env = dict(os.environ, HELIOGRAPH=str(release / "heliograph"), HELIOGRAPH_DEV=str(dev),
               HELIOGRAPH_RELEASE=str(release), PYTHONPATH=str(ROOT / "tests"))
    for folder in ("cli", "contract", "integration"):
        if only and only != folder:
            continue
        for path in sorted((ROOT / "tests" / folder).glob("test_*.py")):
            name = f"{folder}/{path.stem}"
            output, code, seconds, log = run(name, [sys.executable, str(path)], 1500, env=env)
            counts = count_words(output, code)
            tally.add(*counts)
            if counts[1] or sum(counts) == 0:
                failed_names.append(name)
            show(name, *counts, seconds, log, output)


def run_node_suites(release, tally, failed_names, only):
    env = dict(os.environ, HELIOGRAPH=str(release / "heliograph"))
    for name, folder, script in (("page", ROOT / "frontend", "test"), ("browser", ROOT / "tests" / "browser", "test")):
        if only and only != name:
            continue
        if not (folder / "package.json").exists():
            continue
        output, code, seconds, log = run(name, ["npm", "run", "--silent", script], 1500, cwd=folder, env=env)
        counts = count_words(output, code)
        tally.add(*counts)
        if counts[1] or sum(counts) == 0:
            failed_names.append(name)
        show(name, *counts, seconds, log, output)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--release", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--dev", type=pathlib.Path, default=ROOT / "build/dev")
    parser.add_argument("--only", choices=["unit", "fuzz", "thread", "cli", "contract", "integration", "page", "browser"])
    args = parser.parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
    release, dev = args.release.resolve(), args.dev.resolve()

    tally, failed_names = Tally(), []
    print("heliograph: running the suites", flush=True)
    run_units(dev, tally, failed_names, args.only)
    run_python_suites(release, dev, tally, failed_names, args.only)
    run_node_suites(release, tally, failed_names, args.only)
    if failed_names:
        print("failed: " + ", ".join(failed_names))
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.failed or failed_names or tally.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
