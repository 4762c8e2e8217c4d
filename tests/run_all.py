"""Runs every suite and ends with the plain line `N passed, N failed, N skipped`.

Suites: Criterion units, thread tests and fuzz replays (through CTest's list, sanitized build) and
the page's unit tests, several at a time; then, one after another because they measure or share a
machine, the kill tests, the contract and integration tests (Python's unittest, against the real
program) and the browser tests (node). Each suite's own words go to build/test-logs/; what failed
is shown where it failed. A suite that overstays is ended with all its children and counts as failed,
and so does one that ran nothing and skipped nothing.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "test-logs"

CRITERION = re.compile(r"Synthesis: Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)")
CRITERION_SKIPPED = re.compile(r"^\[SKIP\] ", re.M)
SANITIZER = re.compile(r"ERROR: (Address|Leak|Thread)Sanitizer|WARNING: ThreadSanitizer|runtime error:")
PLAIN = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$", re.M)
UNITTEST = re.compile(r"^Ran (\d+) tests? in", re.M)
UNITTEST_END = re.compile(r"^(?:OK|FAILED)(?: \((.*)\))?$", re.M)

# Seconds. Several times what the suite takes on two busy cores: only what hangs meets them.
TIMEOUT = {"unit": 300, "fuzz": 300, "thread": 300, "page": 300,
           "cli": 600, "contract": 900, "integration": 900, "browser": 900}

Suite = collections.namedtuple("Suite", "kind name command cwd env timeout count")
Result = collections.namedtuple("Result", "suite counts seconds log output code")


running = set()


def run(suite):
    """One suite to its end, or to its timeout; then none of its processes is left in its group."""
    log = LOGS / (suite.name.replace("/", "-") + ".log")
    began = time.monotonic()
    with open(log, "wb") as words:
        try:
            process = subprocess.Popen(suite.command, cwd=suite.cwd, env=suite.env, stdin=subprocess.DEVNULL,
                                       stdout=words, stderr=subprocess.STDOUT, start_new_session=True)
        except OSError as why:
            process, code = None, 127
            words.write(f"{suite.command[0]} could not be started: {why.strerror}\n".encode())
        if process:
            running.add(process)
            try:
                code = process.wait(suite.timeout)
            except subprocess.TimeoutExpired:
                code = 124
                words.write(f"\n(ended after {suite.timeout} s)\n".encode())
            finally:
                end_group(process)
    output = log.read_text(errors="replace")
    counts = suite.count(output, code)
    if sum(counts) == 0:
        output += "\n(it ran no test and skipped none)\n"
        counts = (0, 1, 0)
    return Result(suite, counts, time.monotonic() - began, log, output, code)


def end_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()
    running.discard(process)


def stop_all(waiting):
    """The suites have sessions of their own, so Ctrl-C does not reach them."""
    for future in waiting:
        future.cancel()
    for process in list(running):
        end_group(process)


def show(result):
    passed, failed, skipped = result.counts
    mark = "FAILED" if failed else "ok"
    print(f"  {mark:6} {result.suite.name:44} {passed:4} passed {failed:3} failed {skipped:3} skipped "
          f"{result.seconds:6.1f} s", flush=True)
    for line in result.output.splitlines():
        if line.startswith("SKIP"):
            print(f"         {line[:150]}", flush=True)
    if failed:
        print(f"         exit code {result.code}; from {result.log.relative_to(ROOT)}:")
        for line in telling_lines(result.output):
            print("         | " + line[:180], flush=True)


def telling_lines(output):
    """The end; of a sanitizer's report its beginning, where it says what and where."""
    lines = output.splitlines()
    told = next((i for i, line in enumerate(lines) if SANITIZER.search(line)), None)
    return lines[-25:] if told is None else lines[max(0, told - 3):told + 22]


def count_criterion(output, code):
    found = CRITERION.findall(output)
    tested, passing, failing, crashing = (sum(int(row[i]) for row in found) for i in range(4))
    failed = failing + crashing
    broke = SANITIZER.search(output)
    if tested == 0:
        # A plain program (threads, kill tests, fuzz replay): its exit code is its result.
        return (1, 0, 0) if code == 0 and not broke else (0, 1, 0)
    if (code != 0 or broke) and failed == 0:
        failed = 1
    return passing, failed, len(CRITERION_SKIPPED.findall(output))


def count_words(output, code):
    """unittest's or the plain closing line's counts."""
    plain = PLAIN.findall(output)
    if plain:
        passed, failed, skipped = (int(n or 0) for n in plain[-1])
        return passed, failed or (1 if code else 0), skipped
    ran = sum(int(n) for n in UNITTEST.findall(output))
    detail = ",".join(UNITTEST_END.findall(output))

    def count(word):
        return sum(int(n) for n in re.findall(rf"{word}=(\d+)", detail))

    failed = count("failures") + count("errors") + count("unexpected successes")
    # A Python that is not on this machine is said in a line of its own (support.say_missing).
    skipped = count("skipped") + len(re.findall(r"^SKIP: ", output, re.M))
    if code and failed == 0:
        failed = 1
    return max(0, ran - failed - count("skipped")), failed, skipped


def ctest_suites(build):
    if not (build / "CTestTestfile.cmake").exists():
        raise SystemExit(f"there is no built tree at {build}; `make dev` makes it")
    env = dict(os.environ)
    env.setdefault("ASAN_OPTIONS", "detect_stack_use_after_return=0:abort_on_error=0")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    listing = subprocess.run(["ctest", "--show-only=json-v1"], cwd=build, capture_output=True, text=True, check=True)
    for test in json.loads(listing.stdout)["tests"]:
        known = {prop["name"]: prop["value"] for prop in test.get("properties", [])}
        kind = known.get("LABELS", ["unit"])[0]
        # Without a command the program was not built; that must not pass in silence.
        command = test.get("command") or [test["name"]]
        timeout = int(known.get("TIMEOUT", TIMEOUT.get(kind, 300)))
        yield Suite(kind, f"{kind}/{test['name']}", command, known.get("WORKING_DIRECTORY", build), env, timeout,
                    count_criterion)


def python_suites(release, dev):
    env = dict(os.environ, HELIOGRAPH=str(release / "heliograph"), HELIOGRAPH_DEV=str(dev),
               HELIOGRAPH_RELEASE=str(release), PYTHONPATH=str(ROOT / "tests"), PYTHONUNBUFFERED="1")
    for kind in ("cli", "contract", "integration"):
        for path in sorted((ROOT / "tests" / kind).glob("test_*.py")):
            yield Suite(kind, f"{kind}/{path.stem}", [sys.executable, str(path)], ROOT, env, TIMEOUT[kind], count_words)


def node_suite(kind, folder, release):
    env = dict(os.environ, HELIOGRAPH=str(release / "heliograph"))
    return Suite(kind, kind, ["npm", "run", "--silent", "test"], folder, env, TIMEOUT[kind], count_words)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--release", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--dev", type=pathlib.Path, default=ROOT / "build/dev")
    parser.add_argument("--only", choices=sorted(TIMEOUT), help="one kind of suite")
    parser.add_argument("--match", default="", help="only suites whose name has this in it")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
    release, dev = args.release.resolve(), args.dev.resolve()

    suites = [*ctest_suites(dev), node_suite("page", ROOT / "frontend", release), *python_suites(release, dev),
              node_suite("browser", ROOT / "tests" / "browser", release)]
    suites = [s for s in suites if args.only in (None, s.kind) and args.match in s.name]
    together = [s for s in suites if s.kind in ("unit", "fuzz", "thread", "page")]
    alone = [s for s in suites if s not in together]

    print(f"heliograph: running {len(suites)} suites", flush=True)
    began = time.monotonic()
    total, failed_names = [0, 0, 0], []

    def take(result):
        show(result)
        for i, n in enumerate(result.counts):
            total[i] += n
        if result.counts[1]:
            failed_names.append(result.suite.name)

    try:
        with concurrent.futures.ThreadPoolExecutor(max(1, args.jobs)) as pool:
            waiting = [pool.submit(run, s) for s in together]
            try:
                for done in concurrent.futures.as_completed(waiting):
                    take(done.result())
            except KeyboardInterrupt:
                stop_all(waiting)
                raise
        for suite in alone:
            take(run(suite))
    except KeyboardInterrupt:
        failed_names.append("interrupted")

    print(f"heliograph: {len(suites)} suites in {time.monotonic() - began:.0f} s")
    if failed_names:
        print("failed: " + ", ".join(failed_names))
    print("{} passed, {} failed, {} skipped".format(*total))
    return 1 if failed_names or total[0] == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
