"""Two profiles compared from the command line: cProfile files, sampled files, benchmarks, the gate for CI."""

import json
import pathlib
import pstats
import random
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support import heliograph, scratch  # noqa: E402

PROGRAM = """
def login():
    return sum([i * i for i in range({n})])
def search():
    return sorted(str(i) for i in range(20000))
login()
search()
"""

# Stacks of a made-up program and their shares of the time.
SHARES = {"main;login;hash_password": 40, "main;login;query": 15, "main;search;rank": 20, "main;search;query": 10, "main;render": 10}
SHARES.update({f"main;rest;helper{i}": 0.25 for i in range(20)})


def make_prof(folder, checkout, n):
    script = folder / checkout / "app.py"
    script.parent.mkdir(parents=True)
    script.write_text(PROGRAM.format(n=n))
    saved = folder / (checkout.replace("/", "-") + ".prof")
    subprocess.run([sys.executable, "-m", "cProfile", "-o", str(saved), str(script)], check=True, stdout=subprocess.DEVNULL)
    return saved


def sample(path, seed, samples=5000, **slower):
    """What a sampler sees of a run: so many draws; a function that takes k times as long adds draws of its own."""
    rng = random.Random(seed)
    counts = {}
    for stack in rng.choices(list(SHARES), weights=list(SHARES.values()), k=samples):
        counts[stack] = counts.get(stack, 0) + 1
    whole = sum(SHARES.values())
    for stack in SHARES:
        more = slower.get(stack.rsplit(";", 1)[1], 1) - 1
        counts[stack] = counts.get(stack, 0) + sum(rng.random() < SHARES[stack] / whole * more for _ in range(samples))
    path.write_text("".join(f"{stack} {n}\n" for stack, n in counts.items() if n))
    return path


def benchmarks(path, means):
    rows = []
    for name, (mean, stddev) in means.items():
        stats = {"min": mean * 0.9, "max": mean * 1.2, "mean": mean, "stddev": stddev, "rounds": 20, "median": mean,
                 "iqr": stddev, "q1": mean, "q3": mean, "iqr_outliers": 0, "stddev_outliers": 0, "outliers": "0;0",
                 "ld15iqr": mean, "hd15iqr": mean, "ops": 1 / mean, "total": mean * 20, "iterations": 1}
        rows.append({"group": None, "name": name, "fullname": "test_app.py::" + name, "params": None, "param": None,
                     "extra_info": {}, "options": {}, "stats": stats})
    path.write_text(json.dumps({"machine_info": {"node": "box"}, "commit_info": {"id": "abc"}, "benchmarks": rows,
                                "datetime": "2024-01-01T00:00:00", "version": "4.0.0"}))
    return path


def compare(folder, *args):
    done = heliograph(folder, "diff", "--json", "--top", "0", *args)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


class Diff(unittest.TestCase):
    def test_cprofile_files_of_two_checkouts_compare_exactly(self):
        with scratch() as folder:
            base, target = make_prof(folder, "one/app", 100000), make_prof(folder, "two/other/app", 800000)
            told = compare(folder, base, target)
            self.assertFalse(told["is_tested"])
            rows = {row["name"]: row for row in told["functions"]}
            for saved, side in ((base, "base"), (target, "target")):
                for (file, _, name), (cc, nc, tt, ct, _) in pstats.Stats(str(saved)).stats.items():
                    if file.endswith("app.py") and name in ("login", "search"):
                        row = rows[name]
                        self.assertEqual((row["primitive_calls"][side], row["ncalls"][side], row["self"][side], row["total"][side]), (cc, nc, tt, ct))
            self.assertEqual(rows["login"]["state"], "changed")
            self.assertTrue(rows["login"]["is_regression"])
            total = rows["login"]["total"]
            self.assertAlmostEqual(total["relative"], total["target"] / total["base"] - 1, places=9)

    def test_noise_of_two_sampled_runs_is_not_called_a_regression(self):
        with scratch() as folder:
            wrong = 0
            for seed in range(20):
                told = compare(folder, sample(folder / "a.folded", 2 * seed), sample(folder / "b.folded", 2 * seed + 1))
                self.assertTrue(told["is_tested"])
                wrong += told["counts"]["significant"] > 0
            # Where nothing changed each family (self, total) errs in at most 5 % of the runs: 2 of 20 are expected.
            self.assertLess(wrong, 5)

    def test_a_function_that_is_really_slower_is_found(self):
        with scratch() as folder:
            for seed in range(5):
                base = sample(folder / "a.folded", 2 * seed)
                told = compare(folder, base, sample(folder / "b.folded", 2 * seed + 1, rank=1.5))
                first = told["functions"][0]
                self.assertEqual((first["name"], first["is_regression"]), ("rank", True))
                self.assertLess(first["self"]["q"], 0.001)
                self.assertEqual({row["name"] for row in told["functions"] if row["is_regression"] and row["self"]["change"] > 0 and row["self"]["is_significant"]}, {"rank"})

    def test_a_longer_run_compares_by_its_shares(self):
        with scratch() as folder:
            base, target = sample(folder / "a.folded", 1), sample(folder / "b.folded", 2, samples=20000)
            self.assertGreater(compare(folder, base, target)["counts"]["regressions"], 0)
            self.assertEqual(compare(folder, "--normalise", "total", base, target)["counts"]["regressions"], 0)

    def test_the_gate_decides_the_exit_code(self):
        with scratch() as folder:
            base, noise = sample(folder / "a.folded", 1), sample(folder / "b.folded", 2)
            slow = sample(folder / "c.folded", 3, rank=1.5)
            gate = "total(rank) > +10% or self(hash_*) > +10%"
            self.assertEqual(heliograph(folder, "diff", base, noise, "--fail-if", gate).returncode, 0)
            done = heliograph(folder, "diff", base, slow, "--fail-if", gate)
            self.assertEqual(done.returncode, 1)
            self.assertIn("rank", done.stderr)
            told = compare(folder, base, slow, "--fail-if", gate)["gate"]
            self.assertEqual((told["holds"], told["expression"], len(told["reasons"])), (True, gate, 1))

    def test_mistakes_are_told_and_exit_2(self):
        with scratch() as folder:
            base = sample(folder / "a.folded", 1)
            for args, words in ((("--fail-if", "total(rank) >"), "character 14"), (("--fail-if", "total(rnak) > +1%"), "rnak"),
                                (("--normalise", "calls"), "ncalls"), (("--normalise", "ncalls"), "call graphs"), (("--value", "bytes"), "bytes")):
                done = heliograph(folder, "diff", *args, base, base)
                self.assertEqual(done.returncode, 2, args)
                self.assertIn(words, done.stderr)
                self.assertEqual(done.stdout, "")

    def test_benchmarks_compare_by_name(self):
        with scratch() as folder:
            base = benchmarks(folder / "a.json", {"test_parse": (1.0, 0.02), "test_noisy": (1.0, 0.6), "test_gone": (1.0, 0.1)})
            target = benchmarks(folder / "b.json", {"test_parse": (1.3, 0.02), "test_noisy": (1.1, 0.6), "test_new": (1.0, 0.1)})
            told = compare(folder, base, target)
            rows = {row["name"].rsplit("::", 1)[-1]: row for row in told["benchmarks"]}
            self.assertEqual({name for name, row in rows.items() if row["is_regression"]}, {"test_parse"})
            self.assertEqual((rows["test_gone"]["state"], rows["test_new"]["state"]), ("removed", "added"))
            self.assertAlmostEqual(rows["test_parse"]["mean_s"]["relative"], 0.3)
            self.assertEqual(heliograph(folder, "diff", base, target, "--fail-if", "mean(*test_parse*) > +10%").returncode, 1)
            self.assertEqual(heliograph(folder, "diff", base, target, "--fail-if", "mean(*noisy*) > +5%").returncode, 0)


if __name__ == "__main__":
    unittest.main()
