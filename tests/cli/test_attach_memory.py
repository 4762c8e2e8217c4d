"""`heliograph attach --memory`: allocations of a program that runs already, on every CPython found."""

import json
import os
import pathlib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support import HELIOGRAPH, environment, heliograph, pythons, report, say_missing, scratch, wait_for  # noqa: E402

# Each time the file `go` comes, allocates what is known, and says so.
KNOWN = '''
import mmap, os, sys, time, zlib
go, kept, turn = sys.argv[1], [], 0
before = [bytearray(3000) for _ in range(500)]
def known():
    buffers = [None] * 300
    for i in range(300):
        buffers[i] = bytearray(10000)
    small = [None] * 200
    for i in range(200):
        small[i] = bytes(400)
    kept.append(mmap.mmap(-1, 1 << 20))
    kept.append([zlib.compressobj(9) for _ in range(4)])
    return buffers, small
print("up", flush=True)
while True:
    time.sleep(0.01)
    if os.path.exists(go):
        os.unlink(go)
        kept.append(known())
        del before[:100]
        print("done", flush=True)
'''

# Threads, children and much coming and going, for as long as it is told to.
BUSY = '''
import os, sys, threading, time
def goes_on():
    return not os.path.exists(sys.argv[1])
def work():
    kept = []
    while goes_on():
        kept.append([str(i) * 3 for i in range(50)])
        kept.append(bytearray(5000))
        if len(kept) > 500:
            del kept[:400]
threads = [threading.Thread(target=work) for _ in range(4)]
for t in threads: t.start()
print("up", flush=True)
while goes_on():
    pid = os.fork()
    if pid == 0:
        sum(len(str(i)) for i in range(3000))
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    time.sleep(0.05)
for t in threads: t.join()
print("well", flush=True)
'''


def version(label):
    return tuple(int(part) for part in label.split()[0].split(".")[:2])


def how(label):
    return [] if version(label) >= (3, 14) else ["--inject"]


class Program:
    def __init__(self, folder, python, text, *args):
        (folder / "prog.py").write_text(text)
        self.process = subprocess.Popen([python, "-W", "ignore", str(folder / "prog.py"), *map(str, args)], env=environment(folder),
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.line()

    def line(self):
        return self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


def line_number(text):
    return next(n for n, line in enumerate(KNOWN.splitlines(), 1) if text in line)


def size_in(python, expression):
    """sys.getsizeof as that Python has it: 3.15 made bytearray larger."""
    return int(subprocess.check_output([python, "-c", f"import sys; print(sys.getsizeof({expression}))"]))


class AttachMemory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        say_missing()

    def attached(self, folder, program, mode, options, saved):
        """The collector, once the program's allocations are followed."""
        saved.unlink(missing_ok=True)
        attach = subprocess.Popen([HELIOGRAPH, "attach", "--no-open", "--save", saved, "--memory", mode, *options,
                                   str(program.process.pid)], env=environment(folder), stderr=subprocess.PIPE, text=True)
        said = []
        while not any("followed from here on" in line for line in said):
            line = attach.stderr.readline()
            if not line:
                attach.communicate()
                raise AssertionError("".join(said))
            said.append(line)
        return attach

    def detach(self, attach):
        attach.terminate()
        _, err = attach.communicate(timeout=60)
        self.assertEqual(attach.returncode, 0, err)
        self.assertNotIn("has not run Python", err)

    def follow(self, folder, program, go, mode, options):
        """Attaches until the program has done its work once; the saved profile as JSON."""
        saved = folder / "out.heliograph"
        attach = self.attached(folder, program, mode, options, saved)
        go.write_text("")
        self.assertEqual(program.line(), "done")
        self.detach(attach)
        done = heliograph(folder, "convert", saved, "-o", folder / "out.json", "--to", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads((folder / "out.json").read_text())

    @staticmethod
    def by_line(profile):
        heap = next(s for s in profile["samples"] if s["name"] == "heap")
        values = {v["name"]: v for v in heap["values"]}
        sums = {}
        for i, stack in enumerate(heap["stack"]):
            if not stack:
                continue
            frame = profile["stacks"]["frame"][stack]
            file = profile["functions"]["file"][profile["frames"]["function"][frame]]
            if not profile["strings"][file].endswith("prog.py"):
                continue
            key = profile["frames"]["line"][frame], heap["state"][i] >> 6
            row = sums.setdefault(key, [0, 0])
            for at, name in enumerate(("allocated", "allocations")):
                v = values[name]
                row[at] += v["value"][i] if "value" in v else v["constant"]
        return sums

    def test_what_is_allocated_from_then_on_is_known_to_the_byte_again_and_again(self):
        for label, python in pythons().items():
            with self.subTest(label), scratch() as folder:
                go = folder / "go"
                with Program(folder, python, KNOWN, go) as program:
                    for turn in range(2):
                        profile = self.follow(folder, program, go, "exact", how(label))
                        lines = self.by_line(profile)
                        self.assertEqual(lines[line_number("bytearray(10000)"), 0], [300 * size_in(python, "bytearray(10000)"), 600])
                        # Up to 3.10 a line that runs often gets a cache of its own, once.
                        cache = lines[line_number("bytes(400)"), 0][0] - 200 * sys.getsizeof(bytes(400))
                        self.assertTrue(cache == 0 or version(label) < (3, 11) and 0 < cache < 100, cache)
                        self.assertEqual(lines[line_number("mmap.mmap"), 2], [1 << 20, 1])
                        # What C code takes from malloc is seen through the rebound calls.
                        self.assertGreater(lines[line_number("zlib.compressobj"), 1][0], 4 * 200000)
                        counters = {c["name"]: c["value"] for c in profile["counters"]}
                        self.assertEqual(counters["heap_gaps"], 0)
                        if turn == 0:  # the blocks of `before`: 100 objects and their buffers at least
                            self.assertGreaterEqual(counters["heap_unknown_frees"], 200)
                    self.assertIsNone(program.process.poll())

    def test_a_busy_program_with_threads_and_children_does_not_notice(self):
        for label, python in pythons().items():
            with self.subTest(label), scratch() as folder:
                until = folder / "end"
                with Program(folder, python, BUSY, until) as program:
                    for mode in ("exact", "sampled"):
                        attach = self.attached(folder, program, mode, [*how(label), "--memory-every", "10000"], folder / f"{mode}.heliograph")
                        time.sleep(0.3)
                        self.detach(attach)
                    until.write_text("")
                    out, err = program.process.communicate(timeout=60)
                    self.assertEqual((program.process.returncode, out, err), (0, "well\n", ""))
                for mode, least in (("exact", 1000), ("sampled", 50)):
                    counts = report(folder, folder / f"{mode}.heliograph")["counts"]
                    self.assertGreater(counts["heap_events"], least, mode)
                    self.assertGreaterEqual(counts["threads"], 4)

    def test_a_collector_that_was_killed_is_no_hindrance_to_the_next(self):
        label, python = list(pythons().items())[-1]
        with scratch() as folder:
            go = folder / "go"
            with Program(folder, python, KNOWN, go) as program:
                for mode in ("exact", "sampled"):
                    attach = self.attached(folder, program, mode, how(label), folder / "killed.heliograph")
                    attach.kill()
                    attach.communicate()
                    go.write_text("")
                    self.assertEqual(program.line(), "done")
                lines = self.by_line(self.follow(folder, program, go, "exact", how(label)))
                self.assertEqual(lines[line_number("bytearray(10000)"), 0], [300 * sys.getsizeof(bytearray(10000)), 600])
                self.assertIsNone(program.process.poll())

    def test_a_program_that_sleeps_is_waited_for_and_left_alone(self):
        label, python = list(pythons().items())[-1]
        with scratch() as folder, Program(folder, python, "import time\nprint('up', flush=True)\ntime.sleep(600)\n") as program:
            done = heliograph(folder, "attach", "--no-open", "--save", folder / "o.heliograph", "--memory", "exact", *how(label),
                              "--duration", "3", program.process.pid)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("as soon as the program's main thread runs Python again", done.stderr)
            self.assertIsNone(program.process.poll())
            maps = pathlib.Path(f"/proc/{program.process.pid}/maps").read_text()
            self.assertNotIn("heliograph-agent", maps)

    def test_an_older_python_is_left_as_it_is_without_the_flag(self):
        label, python = next(((l, p) for l, p in pythons().items() if version(l) < (3, 14)), (None, None))
        if not python:
            self.skipTest("every Python here takes scripts")
        with scratch() as folder, Program(folder, python, "import time\nprint('up', flush=True)\ntime.sleep(600)\n") as program:
            done = heliograph(folder, "attach", "--no-open", "--save", folder / "o.heliograph", "--memory", "sampled",
                              program.process.pid)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("--inject", done.stderr)
            self.assertIn("3.14 does", done.stderr)
            done = heliograph(folder, "attach", "--no-open", "--inject", program.process.pid)
            self.assertEqual(done.returncode, 2)
            self.assertIn("--memory", done.stderr)

    def test_a_program_that_is_followed_already_is_refused(self):
        label, python = list(pythons().items())[-1]
        with scratch() as folder:
            (folder / "prog.py").write_text("import time\nfor _ in range(1200): time.sleep(0.05)\n")
            run = subprocess.Popen([HELIOGRAPH, "run", "--no-open", "--save", folder / "a.heliograph", "--", python,
                                    folder / "prog.py"], env=environment(folder), stderr=subprocess.DEVNULL)
            try:
                def child():
                    pids = pathlib.Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
                    return next((int(p) for p in pids
                                 if "heliograph-agent" in pathlib.Path(f"/proc/{p}/maps").read_text()), None)

                pid = wait_for(child, what="the program")
                time.sleep(0.3)
                done = heliograph(folder, "attach", "--no-open", "--save", folder / "b.heliograph", "--memory", "exact", *how(label),
                                  "--duration", "2", pid)
                self.assertIn("another collector follows", done.stderr)
                os.kill(pid, 0)
                os.kill(pid, 15)
                run.wait(60)
            finally:
                run.kill()
                run.wait()


if __name__ == "__main__":
    unittest.main()
