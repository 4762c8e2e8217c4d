"""What `heliograph report` says of memory, on programs that leak, fill a cache, and do neither."""

import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support import heliograph, report, scratch  # noqa: E402

# All three at once; each allocates on a line of its own.
PROGRAM = """
import time
kept, cache = [], {}
def leak():
    kept.append(bytearray(100_000))
def fill(i):
    if i % 40 not in cache:
        cache[i % 40] = bytearray(200_000)
def work():
    return sum(len(bytearray(300_000)) for _ in range(5))
begin, i = time.monotonic(), 0
while i < 150 or time.monotonic() - begin < 2.8:
    leak()
    fill(i)
    work()
    i += 1
    time.sleep(0.015)
print("iterations", i)
"""


def run(folder, *options):
    script = folder / "program.py"
    script.write_text(PROGRAM)
    saved = folder / "saved.heliograph"
    done = heliograph(folder, "run", "--no-open", "--quiet", "--save", saved, *options, "--", sys.executable, script)
    assert done.returncode == 0, done.stderr
    return saved, int(re.search(r"iterations (\d+)", done.stdout).group(1))


class Memory(unittest.TestCase):
    def test_exact_totals_lists_and_leaks(self):
        with scratch() as folder:
            saved, iterations = run(folder, "--memory", "exact")
            stats = report(folder, saved)
            heap = stats["heap"]
            self.assertEqual(heap["every_bytes"], 0)
            self.assertGreater(heap["peak_bytes"], iterations * 100_000)
            self.assertGreater(heap["allocated_bytes"], iterations * 1_600_000)
            self.assertGreater(heap["temporary_bytes"], iterations * 1_500_000 * 0.9)
            lines = {(row["name"], row["at_line"]): row for row in stats["memory"]["line"]["peak"]}
            self.assertAlmostEqual(lines[("leak", 5)]["peak"], iterations * 100_000, delta=iterations * 300 + 100_000)
            self.assertEqual(lines[("leak", 5)]["callers"], ["<module>"])
            top = stats["memory"]["function"]["allocated"][0]
            self.assertEqual(top["name"].split(".")[0], "work")
            leaks = stats["leaks"]
            self.assertFalse(leaks["too_short"])
            self.assertEqual([leak["name"] for leak in leaks["items"]], ["leak"], "neither the cache nor the work")
            self.assertGreater(leaks["items"][0]["confidence"], 0.99)

            text = heliograph(folder, "report", saved).stdout
            self.assertEqual(len(re.findall(r"^  most in use ", text, re.M)), 1)
            self.assertRegex(text, r"every allocation counted\n  most in use +[\d.]+ MiB, at ")
            self.assertRegex(text, r"allocated in all +[\d.]+ \w+ in [\d,]+ allocations")
            self.assertRegex(text, r"may leak: .*\n.*/min|may leak: .*\n +[\d.]+ \w+ .* of \d+ +99\.\d %  .*program\.py:5 \(leak\)")
            for title in ("most in use by line", "allocated by line", "temporary by line", "most in use by function", "allocated by function"):
                self.assertIn(title, text)
            self.assertNotRegex(text, r"(?m)^  allocated: 0")

    def test_estimates_state_step_and_error_and_what_they_do_not_know(self):
        with scratch() as folder:
            saved, iterations = run(folder, "--memory", "sampled", "--memory-every", "64KiB")
            stats = report(folder, saved)
            heap = stats["heap"]
            self.assertEqual(heap["every_bytes"], 65536)
            self.assertNotIn("temporary_bytes", heap)
            self.assertNotIn("temporary", stats["memory"]["line"])
            row = next(r for r in stats["memory"]["line"]["peak"] if r["name"] == "leak")
            self.assertGreater(row["error"], 0)
            # Five standard errors: one run in a million is further off.
            self.assertLess(abs(row["peak"] - iterations * 100_057), 5 * row["error"] + 200_000)
            self.assertEqual([leak["name"] for leak in stats["leaks"]["items"]], ["leak"])
            text = heliograph(folder, "report", saved).stdout
            self.assertRegex(text, r"estimated from one sample each 64 KiB \(± standard error\)")
            self.assertRegex(text, r"most in use +[\d.]+ MiB ± [\d.]+ \w+, at ")
            self.assertRegex(text, r"of it temporary +not known in sampled mode")

    def test_detail_is_read_past_exec_as_often_as_the_rest(self):
        with scratch() as folder:
            shim = folder / "python"
            shim.write_text('#!/bin/sh\nsleep 0.3\nexec "$@"\n')
            shim.chmod(0o755)
            saved = folder / "saved.heliograph"
            script = folder / "big.py"
            script.write_text("import time\nx = bytearray(60 << 20)\nx[:] = b'1' * len(x)\ntime.sleep(1.5)\n")
            done = heliograph(folder, "run", "--no-open", "--quiet", "--memory", "off", "--interval", "0.05", "--save", saved, "--", shim, sys.executable, script)
            self.assertEqual(done.returncode, 0, done.stderr)
            series = {s["name"]: s for s in report(folder, saved)["series"] if s.get("process") is None}
            self.assertGreater(series["rss"]["max"], 60 << 20)
            if "pss" not in series or not series["pss"]["points"]:
                self.skipTest("this kernel has no smaps_rollup")
            for name in ("pss", "uss"):
                self.assertGreater(series[name]["max"], 60 << 20, name)
                self.assertGreater(series[name]["points"], 1, name)

    def test_what_is_neither_a_file_nor_a_profile_is_said(self):
        with scratch() as folder:
            for name in ("NOSUCHID", "aaaaaaaaaaaaaaaa", "nowhere/x.prof"):
                done = heliograph(folder, "report", name)
                self.assertEqual(done.returncode, 2)
                self.assertEqual(done.stderr, f'heliograph: there is neither a file nor a profile "{name}" (heliograph list shows the profiles of the store)\n')

    def test_without_samples_there_is_no_empty_list(self):
        with scratch() as folder:
            saved = folder / "saved.heliograph"
            done = heliograph(folder, "run", "--no-open", "--quiet", "--save", saved, "--", "sleep", "0.3")
            self.assertEqual(done.returncode, 0, done.stderr)
            text = heliograph(folder, "report", saved).stdout
            self.assertNotIn("self %", text)
            self.assertNotIn("allocated in all", text)
            self.assertRegex(text, r"rss: peak")


if __name__ == "__main__":
    unittest.main()
