"""Native frames on real programs, with every Python found: are they there, and in the right order?"""

import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))

import support  # noqa: E402
import test_sampler  # noqa: E402

PROGRAMS = HERE / "native_programs"
PLAIN = test_sampler.PROBE.parent / "native_plain"
SECONDS = 1


def watch(*command, seconds=SECONDS, rate=200):
    """The program is told to run for `seconds`; on a machine that is too busy to take a hundred samples in them, for longer."""
    for times in (1, 2, 4, 8):
        # However long a stop lasts on such a machine: here it is about the stacks.
        lines, counters, said = test_sampler.probe("--native", "--stop-share", 1, "--rate", rate, "--", *command, seconds * times)
        if counters["counters"]["native_whole"] >= 100:
            break
    return lines, counters["counters"], said


def names(line):
    return [frame[0] for frame in line.frames]


def is_python(name):
    return name[0] not in "~!"


def short_names(line):
    """Python's as short names, native ones with their "~"."""
    return [name.split(".")[-1] if is_python(name) else name for name in names(line)]


def position(frames, name, start=0):
    return frames.index(name, start) if name in frames[start:] else -1


class EveryPython(unittest.TestCase):
    pythons = support.pythons()

    def each(self, check):
        self.assertTrue(self.pythons, "no Python at all")
        for label, python in self.pythons.items():
            with self.subTest(python=label), support.scratch() as folder:
                check(python, folder)

    def test_a_callback_from_c_stands_between_the_frames_that_called_it(self):
        def check(python, _):
            lines, counters, said = watch(python, PROGRAMS / "callback.py")
            inside = asleep = 0
            for line in lines:
                frames = short_names(line)
                self.assertNotIn("~_PyEval_EvalFrameDefault", frames, "the interpreter is hidden")
                if "sleep_long" in frames and frames[-1].startswith("~"):
                    asleep += line.samples - line.stopped  # a system call below time.sleep, not stopped for it
                if any(f.startswith("!") for f in frames):
                    continue  # says itself that something is missing
                if "think" in frames:
                    # work -> sort_again -> generate -> (ctypes, libffi) -> qsort -> compare -> think
                    at = [position(frames, name) for name in ("work", "sort_again", "generate", "compare", "think")]
                    self.assertEqual(at, sorted(at), frames)
                    self.assertNotIn(-1, at, frames)
                    qsort = max((i for i, f in enumerate(frames) if f.startswith("~") and "qsort" in f), default=-1)
                    self.assertTrue(at[2] < qsort < at[3], frames)
                    between = frames[at[2] + 1:at[3]]
                    self.assertFalse(any(map(is_python, between)), frames)
                    self.assertEqual(frames[at[3]:at[4] + 1], ["compare", "think"], frames)
                    inside += line.samples
            self.assertGreater(inside, 5, said)
            self.assertGreater(asleep, 5, said)
            self.assertGreater(counters["native_whole"], 5, said)
            good = counters["native_whole"]
            # A sleeper in a program with frame pointers is cut where its own is not known.
            cut = counters["native_cut"] - counters["native_cut_unknown_register"]
            self.assertLess(cut, 0.1 * good + 5, said)
            self.assertLess(counters["native_unplaced"], 0.02 * good + 2, said)

        self.each(check)

    def test_an_extension_calls_back_in_the_right_order(self):
        def check(python, folder):
            include = subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_path('include'))"],
                                     capture_output=True, text=True, check=True).stdout.strip()
            if not (pathlib.Path(include) / "Python.h").exists() or not shutil.which("cc"):
                print(f"SKIP: no C compiler or no headers of {python}: its extension is not tested", flush=True)
                self.skipTest("no headers")
            subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-fomit-frame-pointer", "-I", include,
                            str(PROGRAMS / "bridge.c"), "-o", str(pathlib.Path(folder) / "bridge.so")], check=True)
            lines, counters, said = watch(python, PROGRAMS / "bridged.py", folder)
            once = ["~outer_bridge", "~inner_bridge"]
            wanted = ["<module>", *once, "between", "below", *once, "lowest"]
            found = collections.Counter()
            for line in lines:
                frames = short_names(line)
                if "lowest" in frames and not any(f.startswith("!") for f in frames):
                    found[tuple(frames[:frames.index("lowest") + 1])] += line.samples
            self.assertGreater(found[tuple(wanted)], 5, f"{found} {said}")
            self.assertEqual(set(found), {tuple(wanted)})
            self.assertLess(counters["native_unplaced"], 0.02 * counters["native_whole"] + 2, said)

        self.each(check)

    def test_without_native_frames_the_python_ones_are_the_same(self):
        def check(python, _):
            def shapes(lines):
                return {tuple(f for f in short_names(line) if is_python(f))[:8] for line in lines if "think" in short_names(line)}
            native = shapes(watch(python, PROGRAMS / "callback.py")[0])
            without = shapes(test_sampler.probe("--rate", 100, "--", python, PROGRAMS / "callback.py", SECONDS)[0])
            self.assertTrue(native & without, f"{native} {without}")

        self.each(check)


class Others(unittest.TestCase):
    def test_a_program_without_python_has_native_stacks(self):
        lines, counters, said = watch(PLAIN, seconds=2)
        computing = asleep = 0
        inlined = False
        for line in lines:
            frames = names(line)
            if "~innermost" in frames:
                self.assertLess(frames.index("~middle"), frames.index("~innermost"))
                self.assertLess(frames.index("~main"), frames.index("~middle"))
                computing += line.samples
            inlined = inlined or ("~put_inside" in frames and frames.index("~put_inside") == frames.index("~middle") + 1)
            if "~sleeper" in frames:
                asleep += line.samples - line.stopped
        self.assertGreater(computing, 5, said)
        self.assertGreater(asleep, 5, said)
        self.assertTrue(inlined, "the function put inside another one is shown, too")

    def test_without_symbols_functions_have_honest_names(self):
        if not shutil.which("strip"):
            print("SKIP: no strip: a program without symbols is not tested", flush=True)
            self.skipTest("no strip")
        with support.scratch() as folder:
            stripped = pathlib.Path(folder) / "stripped"
            subprocess.run(["strip", "-o", str(stripped), str(PLAIN)], check=True)
            lines, _, said = watch(stripped, seconds=2)
            shown = collections.Counter(f for line in lines for f in names(line))
            placeholders = [f for f in shown if f.startswith("~[stripped+0x")]
            # A function has one name, wherever in it a sample was.
            self.assertTrue(1 <= len(placeholders) <= 6, f"{shown} {said}")

    def test_numpy_frames_lie_below_the_function_that_called_them(self):
        for label, python in self.numpy_pythons():
            with self.subTest(python=label):
                lines, counters, said = watch(python, PROGRAMS / "arrays.py")
                below = called_back = 0
                for line in lines:
                    frames = short_names(line)
                    if "sort_all" in frames:
                        files = [f[1] for f in line.frames[frames.index("sort_all") + 1:]]
                        below += line.samples * any("numpy" in f and ".so" in f for f in files)
                    if "one_by_one" in frames:
                        files = [f[1] for f in line.frames[:frames.index("one_by_one")]]
                        called_back += line.samples * any("numpy" in f and ".so" in f for f in files)
                self.assertGreater(below, 5, said)
                self.assertGreater(called_back, 0, said)
                self.assertLess(counters["native_unplaced"], 0.02 * counters["native_whole"] + 2, said)

    def test_threads_in_a_pid_namespace_of_their_own_are_found(self):
        alone = ["unshare", "--pid", "--fork", "--mount-proc"]
        if subprocess.run([*alone, "true"], capture_output=True).returncode:
            print("SKIP: no namespaces may be made here: a container is not tested", flush=True)
            self.skipTest("no namespaces")
        for label, python in support.pythons().items():
            with self.subTest(python=label):
                lines, _, said = watch(*alone, python, PROGRAMS / "callback.py")
                native = sum(line.samples for line in lines if "think" in short_names(line)
                             and any("qsort" in f for f in short_names(line)))
                cpu = sum(line.cpu for line in lines)
                self.assertGreater(native, 3, said)
                self.assertGreater(cpu, 0, said)

    def numpy_pythons(self):
        found = [(label, python) for label, python in support.pythons().items()
                 if subprocess.run([python, "-c", "import numpy"], capture_output=True).returncode == 0]
        extra = os.environ.get("HELIOGRAPH_NUMPY_PYTHON")
        found += [("HELIOGRAPH_NUMPY_PYTHON", extra)] if extra else []
        if not found:
            print("SKIP: no Python here has NumPy; set HELIOGRAPH_NUMPY_PYTHON", flush=True)
            self.skipTest("no NumPy")
        return found

    def test_dump_shows_native_frames_with_their_kind(self):
        heliograph = test_sampler.PROBE.parent.parent.parent / "heliograph"
        process = subprocess.Popen([str(PLAIN), "20"])
        try:
            deadline = 100
            while deadline:
                done = subprocess.run([str(heliograph), "dump", "--native", str(process.pid)], capture_output=True, text=True)
                if "sleeper" in done.stdout:
                    break
                deadline -= 1
            self.assertIn("main", done.stdout, done.stderr)
            self.assertIn("sleeper", done.stdout)
            done = subprocess.run([str(heliograph), "dump", "--native", "--json", str(process.pid)], capture_output=True, text=True)
            told = json.loads(done.stdout)
            kinds = {f["kind"] for t in told["threads"] for f in t["frames"]}
            self.assertEqual(kinds, {"native"})
            builds = {m["path"]: m["build_id"] for m in told["modules"]}
            self.assertRegex(builds[str(PLAIN.resolve())], "^[0-9a-f]{40}$")
            refused = subprocess.run([str(heliograph), "dump", str(process.pid)], capture_output=True, text=True)
            self.assertEqual(refused.returncode, 2, "without --native there is nothing to show")
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    support.say_missing()
    unittest.main(verbosity=2)
