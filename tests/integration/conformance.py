#!/usr/bin/env python3
"""Reads every file of the corpus of saved profiles and compares with what its own tool said.

usage: conformance.py PROBE [--report HELIOGRAPH] [--corpus DIR|ARCHIVE] [--format NAME] [-v]

PROBE is tests/unit/formats/format_probe, which prints every number of every frame; with --report what
`heliograph report --json` says to a person is compared as well. The corpus is $HELIOGRAPH_CORPUS, an unpacked folder or a
.tar.xz, or ../shared/corpus/open.tar.xz beside the repository; without one the files in
tests/fixtures/formats are read instead, and that is said. Files whose `expected` is "error" must be
refused with exit code 2 and one line; `lenient` ones may go either way.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import resource
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from conformance_checks import CHECKS  # noqa: E402
from conformance_report import REPORTS, Report  # noqa: E402
import conformance_json  # noqa: E402, F401  adds its checks

TIME_LIMIT_S = 300  # sanitized builds unpack a bomb in a minute

# Formats of the corpus that nothing here reads (or refuses as what they are).
OUT_OF_SCOPE = {"android-trace", "instruments-deepcopy", "macos-sample", "pyinstrument-text", "safari-timeline"}

# Files about which the index says two things; whoever adds one says why.
DISAGREEMENTS = {
    # No bytes at all: "ok" here, "error" in collapsed/bad/empty.folded. No content can tell.
    "collapsed/fetched/jonhoo__inferno/tests__data__flamegraph__empty__empty.txt",
    # The same for perf script.
    "perf-script/fetched/jonhoo__inferno/tests__data__collapse-perf__no-events.txt",
}
MEMORY_LIMIT = 4 << 30


def limit_memory():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def read(probe, path, folder):
    """(exit code, parsed output or None, stderr)."""
    run = subprocess.run(
        [probe, str(path)], capture_output=True, timeout=TIME_LIMIT_S, cwd=folder, preexec_fn=limit_memory
    )
    text = run.stderr.decode("utf-8", "replace")
    if run.returncode != 0:
        return run.returncode, None, text
    return 0, json.loads(run.stdout), text


def check(probe, program, root, entry, folder):
    """None when all is well, else what is wrong."""
    path = root / entry["file"]
    code, got, message = read(probe, path, folder)
    if code not in (0, 2):
        return f"exit code {code}: {message.strip()[-300:]}"
    if code == 2 and len(message.strip().splitlines()) != 1:
        return f"not one line: {message!r}"
    if "runtime error" in message or "Sanitizer" in message:
        return message[-300:]
    if entry.get("lenient"):
        return None
    if entry["expected"] == "error":
        return None if code == 2 else f"should be refused, was read as {got['format']}"
    if code != 0:
        return f"refused: {message.strip()}"
    if not entry.get("truth"):
        return None
    truth = json.loads((root / entry["truth"]).read_text())
    checker = CHECKS.get(entry["format"])
    wrong = checker(got, truth, entry) if checker else []
    reporter = REPORTS.get(entry["format"])
    if program and reporter:
        wrong += reporter(Report(program, root / entry["file"], folder), truth, entry)
    return "; ".join(wrong[:4]) if wrong else None


def corpus_folder(given, temporary):
    place = given or os.environ.get("HELIOGRAPH_CORPUS")
    path = pathlib.Path(place) if place else ROOT.parent / "shared" / "corpus" / "open.tar.xz"
    if path.is_dir():
        return path.resolve()
    if not path.exists():
        return None
    with tarfile.open(path) as archive:
        archive.extractall(temporary, filter="data") if hasattr(
            tarfile, "data_filter"
        ) else archive.extractall(temporary)
    return pathlib.Path(temporary) / "open"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("probe")
    parser.add_argument("--report")
    parser.add_argument("--corpus")
    parser.add_argument("--format", action="append")
    parser.add_argument("-v", action="store_true")
    options = parser.parse_args()
    probe = str(pathlib.Path(options.probe).resolve())
    program = options.report and str(pathlib.Path(options.report).resolve())
    with tempfile.TemporaryDirectory() as temporary:
        root = corpus_folder(options.corpus, temporary)
        if root is None:
            print("conformance: SKIPPED the corpus (not found); reading our own fixtures only")
            root = ROOT / "tests" / "fixtures" / "formats"
        entries = json.loads((root / "index.json").read_text())
        known = [e for e in entries if e["file"] not in DISAGREEMENTS]
        known = [e for e in known if e["format"] not in OUT_OF_SCOPE or "/bad/" in e["file"]]
        skipped = len(entries) - len(known)
        entries = known
        if options.format:
            entries = [e for e in entries if e["format"] in options.format]
        passed = collections.Counter()
        failed = collections.Counter()
        problems = []

        def run(entry):
            # Attack files try to create PWNED_* where they are read: an empty folder shows it.
            with tempfile.TemporaryDirectory() as folder:
                try:
                    wrong = check(probe, program, root, entry, folder)
                except subprocess.TimeoutExpired:
                    wrong = f"took longer than {TIME_LIMIT_S} s"
                except Exception as e:  # a checker that meets the unexpected is a failure too
                    wrong = f"{type(e).__name__}: {e}"
                left = os.listdir(folder)
                return entry, wrong or (f"left files behind: {left}" if left else None)

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for entry, wrong in pool.map(run, entries):
                (failed if wrong else passed)[entry["format"]] += 1
                if wrong:
                    problems.append(f"FAIL {entry['file']}: {wrong}")
        for problem in problems:
            print(problem[:600])
        for name in sorted(set(passed) | set(failed)):
            print(f"{name:24} {passed[name]:4} passed {failed[name]:4} failed")
        print(f"{sum(passed.values())} passed, {sum(failed.values())} failed, {skipped} skipped")
        return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
