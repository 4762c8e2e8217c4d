"""What is exported, opened by the tools whose formats they are: pstats, SnakeViz, go tool pprof, callgrind_annotate,
speedscope's own importer, and the rules of the Trace Event Format. A tool that is not here is skipped, and said."""

import importlib
import json
import os
import pathlib
import pstats
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support import ROOT, heliograph, pythons, report, scratch  # noqa: E402

PROGRAM = "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\ndef main():\n    fib(14)\n    sorted(range(500), key=str)\nmain()\n"
STACKS = "main;load (app.py:3);json 40\nmain;load (app.py:3) 15\nmain;operator<;Vec<int> 25\nmain 5\n"
SCALE = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def needs(name, found):
    if not found:
        raise unittest.SkipTest(f"{name} is not on this machine")
    return found


def profiled(folder):
    """A cProfile dump of the running Python, and its rows."""
    script, saved = folder / "fib.py", folder / "fib.prof"
    script.write_text(PROGRAM)
    subprocess.run([sys.executable, "-m", "cProfile", "-o", str(saved), str(script)], check=True, stdout=subprocess.DEVNULL)
    return saved, pstats.Stats(str(saved)).stats


def stacks(folder):
    path = folder / "app.folded"
    path.write_text(STACKS)
    return path


def convert(folder, path, to, name):
    out = folder / name
    done = heliograph(folder, "convert", path, "-o", out, "--to", to)
    if done.returncode:
        raise AssertionError(done.stderr)
    return out


def snakeviz():
    """Installed for this Python, or by `make bench-page`."""
    for place in [None, *(ROOT / "build").glob("*/lib/python*/site-packages")]:
        if place:
            sys.path.append(str(place))
        try:
            return importlib.import_module("snakeviz.stats")
        except ImportError:
            continue
    return None


class Pstats(unittest.TestCase):
    def test_every_python_loads_it_with_the_same_rows(self):
        say = ("import sys, pstats, json; s = pstats.Stats(sys.argv[1], stream=sys.stderr); s.sort_stats('cumulative').print_callers();"
               "print(json.dumps([[list(k), list(v[:4]), sorted([list(c), list(e)] for c, e in v[4].items())] for k, v in sorted(s.stats.items())]))")
        with scratch() as folder:
            saved, rows = profiled(folder)
            out = convert(folder, saved, "pstats", "again.prof")
            theirs = json.loads(json.dumps([[list(k), list(v[:4]), sorted([list(c), list(e)] for c, e in v[4].items())] for k, v in sorted(rows.items())]))
            for label, python in {**pythons(), "this": sys.executable}.items():
                done = subprocess.run([python, "-c", say, str(out)], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, f"{label}: {done.stderr[-500:]}")
                self.assertEqual(json.loads(done.stdout), theirs, label)

    def test_stacks_become_rows_that_add_up(self):
        with scratch() as folder:
            stats = pstats.Stats(str(convert(folder, stacks(folder), "pstats", "app.prof")))
            rows = {key[2]: row for key, row in stats.stats.items()}
            self.assertEqual(rows["main"][3], 85)
            self.assertEqual(rows["load"][2:4], (15, 55))
            self.assertEqual(stats.total_tt, 85)

    def test_snakeviz_builds_its_table_and_its_tree(self):
        module = needs("SnakeViz", snakeviz())
        with scratch() as folder:
            saved, rows = profiled(folder)
            out = convert(folder, saved, "pstats", "again.prof")
            self.assertEqual(module.table_rows(pstats.Stats(str(out))), module.table_rows(pstats.Stats(str(saved))))
            self.assertEqual(module.json_stats(pstats.Stats(str(out))), module.json_stats(pstats.Stats(str(saved))))
            self.assertEqual(len(module.table_rows(pstats.Stats(str(out)))), len(rows))


class Pprof(unittest.TestCase):
    def test_go_shows_the_same_functions_and_amounts(self):
        go = needs("go", shutil.which("go"))
        with scratch() as folder:
            out = convert(folder, stacks(folder), "pprof", "app.pb.gz")
            env = {**os.environ, "PPROF_TMPDIR": str(folder)}
            done = subprocess.run([go, "tool", "pprof", "-top", "-nodecount=100", str(out)], capture_output=True, text=True, env=env)
            self.assertEqual(done.returncode, 0, done.stderr)
            shown = {m[3].strip(): (float(m[1]), float(m[2])) for m in re.finditer(r"^\s*([\d.]+) +[\d.]+% +[\d.]+% +([\d.]+) +[\d.]+% +(.*)$", done.stdout, re.M)}
            # Names with <> stay whole: they are not taken for mangled ones.
            self.assertEqual(shown, {"json": (40, 40), "load": (15, 55), "Vec<int>": (25, 25), "operator<": (0, 25), "main": (5, 85)}, done.stdout)


class Callgrind(unittest.TestCase):
    def test_callgrind_annotate_adds_up_to_the_same(self):
        tool = needs("callgrind_annotate", shutil.which("callgrind_annotate"))
        with scratch() as folder:
            saved, rows = profiled(folder)
            out = convert(folder, saved, "callgrind", "fib.callgrind")
            done = subprocess.run([tool, "--threshold=100", "--auto=no", str(out)], capture_output=True, text=True, cwd=folder)
            self.assertEqual(done.returncode, 0, done.stderr)
            shown = {m[2]: int(m[1].replace(",", "")) for m in re.finditer(r"^\s*([\d,]+)(?: +\([ \d.]+%\))? +(\S.*)$", done.stdout, re.M)}
            total = sum(row[2] for row in rows.values())
            self.assertAlmostEqual(shown["PROGRAM TOTALS (calculated)" if "PROGRAM TOTALS (calculated)" in shown else "PROGRAM TOTALS"] * 1e-9, total, places=7)
            fib = next(row for key, row in rows.items() if key[2] == "fib")
            self.assertAlmostEqual(next(v for k, v in shown.items() if k.endswith(":fib")) * 1e-9, fib[2], places=8)


class Speedscope(unittest.TestCase):
    def test_its_importer_reads_the_same_weights(self):
        modules = ROOT / "build" / "bench-speedscope"
        node = needs("node", shutil.which("node"))
        needs("speedscope (make bench-import installs it)", (modules / "node_modules/speedscope").is_dir())
        with scratch() as folder:
            out = convert(folder, stacks(folder), "speedscope", "app.speedscope.json")
            done = subprocess.run([node, str(ROOT / "bench/import_others/speedscope.mjs"), str(modules), str(out)], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            profiles = json.loads(done.stdout)["profiles"]
            self.assertEqual([(p["weight"], p["unit"], p["samples"]) for p in profiles], [(85, "none", 4)])


class ChromeTrace(unittest.TestCase):
    """The Trace Event Format's rules, as Chrome's and Perfetto's importers rely on them."""

    def check(self, path):
        trace = json.loads(path.read_text())
        self.assertIn(trace["displayTimeUnit"], ("ms", "ns"))
        events = trace["traceEvents"]
        open_slices, last, ended = {}, {}, 0.0
        for event in events:
            self.assertIn(event["ph"], "BEXMCbe")
            self.assertIsInstance(event["pid"], int)
            if event["ph"] == "M":
                self.assertIn(event["name"], ("process_name", "thread_name"))
                self.assertIsInstance(event["args"]["name"], str)
                continue
            self.assertIsInstance(event["ts"], (int, float))
            thread = (event["pid"], event.get("tid"))
            if event["ph"] in "BE":
                self.assertIsInstance(event["tid"], int)
                self.assertGreaterEqual(event["ts"], last.get(thread, 0), "the events of a thread are in order")
                last[thread] = event["ts"]
            if event["ph"] == "B":
                self.assertIsInstance(event["name"], str)
                open_slices.setdefault(thread, []).append(event["ts"])
            elif event["ph"] == "E":
                begun = open_slices[thread].pop()
                ended += 0 if open_slices[thread] else event["ts"] - begun
            elif event["ph"] == "C":
                self.assertTrue(all(isinstance(v, (int, float)) for v in event["args"].values()))
        self.assertFalse(any(open_slices.values()), "every begin has its end")
        return ended

    def test_stacks_and_call_graphs_are_balanced_and_whole(self):
        with scratch() as folder:
            self.assertEqual(self.check(convert(folder, stacks(folder), "chrome-trace", "app.json")), 85)
            saved, rows = profiled(folder)
            whole = self.check(convert(folder, saved, "chrome-trace", "fib.json"))
            self.assertAlmostEqual(whole / 1e6, sum(row[2] for row in rows.values()), places=6)
            self.assertEqual(report(folder, folder / "fib.json")["format"], "chrome-trace")


if __name__ == "__main__":
    unittest.main()
