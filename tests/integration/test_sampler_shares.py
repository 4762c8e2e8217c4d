"""What is read while it changes must not count for less than what stands still."""

import collections
import json
import math
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))

import support  # noqa: E402
from test_sampler import probe, short  # noqa: E402

SECONDS = 2
ENOUGH, RUNS = 100, 8
STOP_SHARE = 0.005
LONGEST_STOP = 0.05  # one stop may last longer than is left: the sampler can lose its CPU meanwhile


class Shares(unittest.TestCase):
    pythons = support.pythons()

    def watch(self, python, folder, *options):
        """({part: samples}, {part: seconds in truth}, counters)"""
        lines, counters, _ = probe("--rate", 1000, *options, "--", python, HERE / "sampler_programs/turns.py", SECONDS,
                                   folder / "truth")
        truth = json.loads((folder / "truth").read_text())
        found = collections.Counter()
        for line in lines:
            for name in set(map(short, line.frames)) & set(truth):
                found[name] += line.samples
        return found, truth, counters

    def test_what_changes_fast_has_its_share(self):
        for label, python in self.pythons.items():
            with self.subTest(python=label), support.scratch() as folder:
                found, spent = collections.Counter(), collections.Counter()
                for _ in range(RUNS):
                    one, truth, counters = self.watch(python, folder)
                    found.update(one)
                    spent.update(truth)
                    if found.total() > ENOUGH:
                        break
                judged = found.total()
                self.assertGreater(judged, ENOUGH, "a busy machine's few samples add up")
                share, truth = found["changing"] / judged, spent["changing"] / spent.total()
                # The chance of a sample being off is known, that of six times as much is one in a billion. The rest
                # is for a machine on which the program loses its CPU now and then, for many samples in a row.
                self.assertAlmostEqual(share, truth, delta=0.04 + 6 * math.sqrt(truth * (1 - truth) / judged), msg=counters)

    def test_stops_keep_to_their_part_of_the_time(self):
        for label, python in list(self.pythons.items())[-1:]:
            with self.subTest(python=label), support.scratch() as folder:
                found, _, counters = self.watch(python, folder)
                self.assertLess(counters["stopped_ns"] / 1e9, STOP_SHARE * counters["seconds"] + LONGEST_STOP)
                self.assertLessEqual(found.total() + counters["skipped"] + counters["torn"], counters["ticks"])
                found, _, counters = self.watch(python, folder, "--never-stop")
                self.assertGreater(found.total(), 0)
                self.assertEqual((counters["stopped"], counters["stopped_ns"], counters["skipped"]), (0, 0, 0))


if __name__ == "__main__":
    support.say_missing()
    unittest.main()
