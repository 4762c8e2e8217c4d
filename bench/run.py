"""Runs the benchmarks: `make bench`, or `make bench-NAME` for one of them.

Each is a module bench/bench_NAME.py with `main(release)`, which measures ours and the other tool on the
same work in alternation, prints a table of medians and ratios, and says what it could not run.
"""

import argparse
import importlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent


def names():
    return sorted(p.stem.removeprefix("bench_") for p in HERE.glob("bench_*.py"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--release", type=pathlib.Path, default=HERE.parent / "build/release")
    parser.add_argument("--only", choices=names())
    args = parser.parse_args()
    sys.path.insert(0, str(HERE))
    for name in [args.only] if args.only else names():
        print(f"\n== {name}", flush=True)
        importlib.import_module(f"bench_{name}").main(args.release.resolve())


if __name__ == "__main__":
    main()
