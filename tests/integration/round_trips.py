#!/usr/bin/env python3
"""Every good file of the corpus, written in every format that can be read again, read, compared.

usage: round_trips.py ROUND_TRIP [--corpus DIR|ARCHIVE] [--most N] [-v]

ROUND_TRIP is tests/integration/round_trip. The corpus is found as conformance.py finds it; without one
the files in tests/fixtures/formats are taken, and that is said. --most: so many files of each format,
the smallest first (0 = all of them).
"""

import argparse
import collections
import concurrent.futures
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from conformance import DISAGREEMENTS, OUT_OF_SCOPE, corpus_folder, limit_memory  # noqa: E402

TIME_LIMIT_S = 300
LARGEST = 4 << 20  # a sanitized build takes long over more


def check(program, path):
    """(how many formats were fine, lines about those that were not)."""
    run = subprocess.run([program, str(path)], capture_output=True, text=True, errors="replace", timeout=TIME_LIMIT_S, preexec_fn=limit_memory)
    if run.returncode == 2:
        return 0, [f"refused: {run.stderr.strip()[:200]}"]
    lines = [line for line in run.stdout.splitlines() if line and not line.startswith(" ")]
    bad = [line for line in lines if " WRONG: " in line]
    if run.returncode or "runtime error" in run.stderr or "Sanitizer" in run.stderr:
        bad.append(f"exit code {run.returncode}: {run.stderr.strip()[-400:]}")
    return sum(line.endswith(" ok") for line in lines), bad


# Sums saturate at the ends of int64 (values.h): what is written of them cannot come out the same.
BEYOND_INT64 = {"collapsed/huge_count.folded"}


def chosen(entries, root, most):
    of = collections.defaultdict(list)
    for entry in entries:
        path = root / entry["file"]
        is_read = entry["expected"] == "ok" and not entry.get("lenient") and entry["format"] not in OUT_OF_SCOPE and entry["file"] not in DISAGREEMENTS | BEYOND_INT64
        if is_read and path.stat().st_size <= LARGEST:
            of[entry["format"]].append((path.stat().st_size, path))
    for paths in of.values():
        paths.sort()
        # The smallest show nothing: take them from everywhere.
        step = max(1, len(paths) // most) if most else 1
        yield from (path for _, path in paths[::step])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--corpus")
    parser.add_argument("--most", type=int, default=6)
    parser.add_argument("-v", action="store_true")
    options = parser.parse_args()
    program = str(pathlib.Path(options.program).resolve())
    with tempfile.TemporaryDirectory() as temporary:
        root = corpus_folder(options.corpus, temporary)
        if root is None:
            print("round trips: SKIPPED the corpus (not found); our own fixtures only")
            root = ROOT / "tests" / "fixtures" / "formats"
        paths = list(chosen(json.loads((root / "index.json").read_text()), root, options.most))
        ways = files_bad = 0
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for path, (good, bad) in zip(paths, pool.map(lambda p: check(program, p), paths)):
                ways += good
                files_bad += bool(bad)
                for line in bad:
                    print(f"FAIL {path.relative_to(root)}: {line[:400]}")
                if options.v:
                    print(f"{path.relative_to(root)}: {good}")
    print(f"round trips: {len(paths)} files, {ways} written and read again, {files_bad} files with a difference")
    return 1 if files_bad or not ways else 0


if __name__ == "__main__":
    sys.exit(main())
