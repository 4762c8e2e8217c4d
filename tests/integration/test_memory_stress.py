"""Allocation tracking where things end or happen at the worst moment: either side killed, signals between any two
instructions, libraries and processes that come and go. HELIOGRAPH_STRESS is the number of kills (12; `make stress`
has 200); HELIOGRAPH_SEED repeats a run."""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import support
import test_memory as memory

KILLS = int(os.environ.get("HELIOGRAPH_STRESS", "12"))
SEED = int(os.environ.get("HELIOGRAPH_SEED", str(random.SystemRandom().randrange(1 << 30))))
STORM = pathlib.Path(os.environ.get("HELIOGRAPH_DEV", support.ROOT / "build/dev")) / "tests/integration/memory_storm.so"


def wait_for(what, seconds=30):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.001)
    return True


def number_in(path):
    text = path.read_text() if path.exists() else ""
    return int(text) if text.strip() else 0


def line_of(program, text):
    return next(n for n, line in enumerate((memory.PROGRAMS / program).read_text().splitlines(), 1) if text in line)


class Kills(unittest.TestCase):
    def of_the_program(self, chance, python):
        """All that it had told is there, and nothing that it had not done."""
        with support.scratch() as folder:
            said = folder / "said"
            probe = subprocess.Popen(memory.command(python, "endless.py", said), stdout=subprocess.PIPE, text=True,
                                     env=memory.clean_environment())
            self.assertTrue(wait_for(lambda: number_in(said) > 0))
            time.sleep(chance.random() * 0.2)
            os.kill(memory.child_of(probe), signal.SIGKILL)
            out = probe.communicate(timeout=120)[0]
            last = number_in(said)
        result = json.loads(out)
        self.assertEqual((result["status"], result["lost"], result["unknown_frees"]), (128 + 9, 0, 0))
        self.assertTrue(result["is_ordered"])
        line = line_of("endless.py", "bytes(1967)")
        row = memory.by_line(result, "endless.py", "object")[line]
        self.assertGreaterEqual(row["allocations"], last)
        self.assertLessEqual(row["allocations"], last + 200)
        # One block may be the interpreter's own, smaller: what the first call there needed.
        self.assertTrue(0 <= 2000 * row["allocations"] - row["allocated"] < 2000, row)
        self.assertTrue(0 <= row["allocations"] - row["frees"] <= 101, row)
        self.assertEqual(result["allocated_bytes"], sum(r["allocated"] for r in result["sums"]))
        self.assertEqual(result["freed_bytes"], sum(r["freed"] for r in result["sums"]))

    def of_the_collector(self, chance, python, mode):
        """The program goes on, and ends when it is told to."""
        with support.scratch() as folder:
            said = folder / "said"
            probe = subprocess.Popen(memory.command(python, "endless.py", said, mode=mode), stdout=subprocess.DEVNULL,
                                     env=memory.clean_environment())
            self.assertTrue(wait_for(lambda: number_in(said) > 0))
            child = memory.child_of(probe)
            time.sleep(chance.random() * 0.2)
            probe.kill()
            probe.wait()
            try:
                before = number_in(said)
                # More than fits the ring: it has come past the point where it would have to wait.
                self.assertTrue(wait_for(lambda: number_in(said) > before + 200000), "it stands still")
            finally:
                os.kill(child, signal.SIGKILL)

    def test_of_either_side_at_any_moment(self):
        chance = random.Random(SEED)
        pythons = list(memory.PYTHONS.values())
        for turn in range(KILLS):
            with self.subTest(turn=turn, seed=SEED):
                python = chance.choice(pythons)
                if turn % 2:
                    self.of_the_collector(chance, python, chance.choice(("exact", "sampled")))
                else:
                    self.of_the_program(chance, python)


class Storms(unittest.TestCase):
    @unittest.skipUnless(STORM.exists(), f"{STORM.name} is not built")
    def test_of_signals_whose_handlers_map_memory_inside_malloc(self):
        for label, python in memory.PYTHONS.items():
            with self.subTest(label):
                result = memory.run(python, "storm.py", STORM)
                caught = int(re.search(r"STORM (\d+)", result["stderr"]).group(1))
                self.assertGreater(caught, 20)
                rows = [r for r in result["sums"] if r["function"] == "rage"]
                blocks = [r for r in rows if r["domain"] == "malloc"]
                maps = [r for r in rows if r["domain"] == "mmap"]
                self.assertEqual(sum(r["allocated"] for r in blocks), 77 * 3000000)
                self.assertEqual(sum(r["freed"] for r in blocks), 77 * 3000000)
                # What a handler does while a record is being written is not recorded, but counted.
                made, gone = (sum(r[key] for r in maps) for key in ("allocations", "frees"))
                self.assertLessEqual(made, caught)
                self.assertLessEqual(gone, made)
                self.assertLessEqual(2 * caught - made - gone, 2 * result["lost"])

    def test_of_libraries_and_children(self):
        for label, python in memory.PYTHONS.items():
            for mode in ("exact", "sampled"):
                with self.subTest(f"{label} {mode}"):
                    result = memory.run(python, "lifetimes.py", mode=mode)
                    self.assertEqual((result["status"], result["lost"], result["unknown_frees"]), (0, 0, 0), result["stderr"])
                    if mode == "exact":
                        row = memory.by_line(result, "lifetimes.py", "object")[line_of("lifetimes.py", "bytes(4967)")]
                        self.assertEqual(row["allocations"] % 100, 0)
                        self.assertGreaterEqual(row["allocations"], 11000)
                        self.assertEqual(row["allocated"], 5000 * row["allocations"])


class Valgrind(unittest.TestCase):
    @unittest.skipUnless(shutil.which("valgrind"), "there is no valgrind")
    def test_finds_nothing_in_a_program_with_the_agent(self):
        for mode in ("exact", "sampled"):
            with self.subTest(mode), support.scratch() as folder:
                log = folder / "log"
                done = subprocess.run([str(memory.PROBE), str(memory.AGENT), mode, "--", "valgrind", "-q", "--error-exitcode=9",
                                       f"--log-file={log}", memory.ONE, "-S", "-E", str(memory.PROGRAMS / "known.py")],
                                      capture_output=True, text=True, timeout=300, env=memory.clean_environment())
                result = json.loads(done.stdout)
                self.assertEqual((result["status"], result["lost"]), (0, 0), log.read_text()[-3000:])
                self.assertEqual(result["processes"], 1)
                if mode == "exact":
                    for line, (domain, size, count) in memory.expected_lines("known.py").items():
                        row = memory.by_line(result, "known.py", domain)[line]
                        if domain == "object":
                            self.assertEqual((row["allocated"], row["allocations"]), (size, count))


if __name__ == "__main__":
    support.say_missing()
    print(f"HELIOGRAPH_SEED={SEED}", flush=True)
    unittest.main(verbosity=1)
