"""The sampler on real programs, with every Python found: are the stacks what the program did?"""

import collections
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE / "sampler_programs"))

import flutter  # noqa: E402
import support  # noqa: E402

PROBE = pathlib.Path(os.environ.get("HELIOGRAPH_RELEASE", HERE.parent.parent / "build/release")) / "tests/integration/sampler_probe"
FRAME = re.compile(r"(.*) \((.*):(\d+)\)$")
Line = collections.namedtuple("Line", "thread frames samples wall cpu stopped has_gil wants_gil in_gc has_exception")


def probe(*args, timeout=120):
    """What reached the stream, line by line, the counters, and what else was said."""
    done = subprocess.run([str(PROBE), *map(str, args)], capture_output=True, text=True, timeout=timeout,
                          errors="replace")
    if done.returncode:
        raise AssertionError(f"{args}: {done.returncode}\n{done.stderr}")
    lines = []
    for text in done.stdout.splitlines():
        if "/" not in text.split(";")[0]:
            continue  # the program's own words
        stack, *numbers = text.rsplit(" ", 8)
        thread, *frames = stack.split(";")
        frames = [(m.group(1), m.group(2), int(m.group(3))) for m in map(FRAME.match, frames)]
        lines.append(Line(thread.rsplit("/", 1)[0], frames, *map(int, numbers)))
    counters = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")][-1]
    return lines, counters, done.stderr


def short(frame):
    """The function without what a qualified name has before it, so that all versions agree."""
    return frame[0].split(".")[-1]


class EveryPython(unittest.TestCase):
    pythons = support.pythons()

    def setUp(self):
        self.assertTrue(self.pythons, "no Python at all")

    def each(self, check):
        for label, python in self.pythons.items():
            with self.subTest(python=label), support.scratch() as folder:
                check(python, folder)

    def test_a_function_that_takes_seventy_percent_shows_it(self):
        def check(python, folder):
            lines, counters, _ = probe("--rate", 500, "--", python, HERE / "sampler_programs/shares.py", 2, folder / "truth")
            truth = json.loads((folder / "truth").read_text())
            found = collections.Counter()
            for line in lines:
                for frame in line.frames:
                    if short(frame) in truth:
                        found[short(frame)] += line.cpu
            share = found["much"] / sum(found.values())
            wanted = truth["much"] / sum(truth.values())
            samples = sum(line.samples for line in lines)
            self.assertGreater(samples, 500)
            self.assertAlmostEqual(share, wanted, delta=0.03 + 4 * (wanted * (1 - wanted) / samples) ** 0.5)
            # All of the run is accounted for: CPU time by the kernel, wall time by the clock.
            spent = sum(truth.values())
            self.assertAlmostEqual(sum(found.values()) / 1e9, spent, delta=0.1 * spent)
            wall = sum(line.wall for line in lines) / 1e9
            self.assertLessEqual(wall, counters["seconds"])
            self.assertGreater(wall, 0.9 * spent)

        self.each(check)

    def test_resting_stacks_are_whole(self):
        def check(python, _):
            lines, _, _ = probe("--rate", 200, "--", python, HERE / "sampler_programs/rest.py", 1.5)
            names = {}
            for line in lines:
                if line.frames and short(line.frames[-1]) == "rest" and line.samples > 50:
                    names[line.thread] = line
            main = [n for n in names if n not in ("first", "größer")]
            self.assertEqual(len(names), 3, list(names))
            frames = [short(f) for f in names[main[0]].frames]
            self.assertEqual(frames, ["<module>"] + ["recurse"] * 31 + ["callback", "generate", "rest"])
            where = [f[2] for f in names[main[0]].frames]
            self.assertEqual(where[1:31], [14] * 30)
            self.assertEqual(where[31:34], [16, 20, 26])
            self.assertEqual([short(f) for f in names["first"].frames][-3:], ["outer", "inner", "rest"])
            self.assertEqual([short(f) for f in names["größer"].frames][-2:], ["run", "rest"])
            for line in names.values():
                self.assertLess(line.cpu, 0.2 * line.wall, "who sleeps uses no CPU")

        self.each(check)

    def test_no_stack_is_shown_that_never_was(self):
        calls = flutter.possible_calls(flutter.make())
        for rate in (1000, 0):
            def check(python, folder):
                leaves, judged, torn, ticks = collections.Counter(), 0, 0, 0
                for _ in range(5):  # on a busy machine one run brings few samples
                    # On a CPU only: while others hold it, sample after sample shows the same.
                    lines, counters, _ = probe("--rate", rate, "--mode", "cpu", "--", python,
                                               HERE / "sampler_programs/flutter.py", 3, folder / "done")
                    torn, ticks = torn + counters["torn"], ticks + counters["ticks"]
                    for line in lines:
                        body = [(f[0], f[2]) for f in line.frames if f[1] == "flutter_body.py"]
                        if not body or [name for name, _ in body] == ["<module>"]:  # the second: its functions are only being made
                            continue
                        judged += line.samples
                        self.assertEqual([f[0] for f in line.frames[:2]] + [body[0][0]], ["<module>", "main", "once"], line)
                        for caller, callee in zip(body, body[1:]):
                            self.assertEqual(calls.get(caller), callee[0], f"{line} never was")
                        if body[-1][0].startswith("leaf"):
                            leaves[body[-1][0]] += line.samples
                    if judged > 200:
                        break
                self.assertGreater(judged, 200)
                if rate:
                    # All leaves are alike. chi square with 26 degrees of freedom: above 76 one time in a million.
                    mean = sum(leaves.values()) / 27
                    chi = sum((leaves[f"leaf_{i}{j}{k}"] - mean) ** 2 / mean
                              for i in range(3) for j in range(3) for k in range(3))
                    self.assertLess(chi, 100, f"{leaves} is not even")
                    self.assertLess(torn, 0.2 * ticks)

            self.each(check)

    def test_a_task_stands_between_its_event_loop_and_its_coroutines(self):
        def check(python, folder):
            lines, _, _ = probe("--rate", 500, "--", python, HERE / "sampler_programs/tasks.py", 1.5, folder / "truth")
            truth = json.loads((folder / "truth").read_text())
            found, unmarked = collections.Counter(), 0
            for line in lines:
                names = [short(f) for f in line.frames]
                outer = [i for i, name in enumerate(names) if name in ("alpha_outer", "beta_outer")]
                if not outer:
                    continue
                at = outer[0]
                task = line.frames[at - 1]
                if task[1] or task[2]: # no mark: a frame of asyncio's
                    unmarked += line.cpu
                    continue
                self.assertEqual(names[at - 2], "_run", "the event loop is above it")
                # A name never stands over another task's coroutine.
                self.assertEqual("älpha" in task[0], names[at] == "alpha_outer", names)
                self.assertLess(names[at:].count("beta_outer") + names[at:].count("alpha_outer"), 2)
                found["unnamed" if task[0].startswith("Task-") else task[0]] += line.cpu
            truth = {name: seconds for name, seconds in truth.items() if name in found}
            truth["unnamed"] = sum(s for name, s in json.loads((folder / "truth").read_text()).items()
                                   if name.endswith("unnamed"))
            self.assertEqual(set(found), {"älpha", "beta", "second älpha", "second beta", "unnamed"})
            self.assertLess(unmarked, 0.05 * sum(found.values()), "only until asyncio is found")
            samples = sum(line.samples for line in lines)
            for name, seconds in truth.items():
                wanted = seconds / sum(truth.values())
                self.assertAlmostEqual(found[name] / sum(found.values()), wanted,
                                       delta=0.03 + 4 * (wanted * (1 - wanted) / samples) ** 0.5, msg=name)

        self.each(check)

    def states(self, python, folder, what, *names):
        """Samples in all, and in each state, of what goes on below the functions `names`."""
        lines, _, _ = probe("--rate", 500, "--exceptions", "--", python, HERE / "sampler_programs/states.py", what, 1.5,
                            folder / "truth")
        found = {name: collections.Counter() for name in names}
        for line in lines:
            for name in names:
                if name in map(short, line.frames):
                    for state in ("samples", "has_gil", "wants_gil", "in_gc", "has_exception"):
                        found[name][state] += getattr(line, state)
                    break
        return found, json.loads((folder / "truth").read_text())

    def test_who_waits_for_the_gil_is_known(self):
        def check(python, folder):
            found, _ = self.states(python, folder, "gil", "contend", "rest")
            contend, rest = found["contend"], found["rest"]
            self.assertGreater(rest["samples"], 100)
            self.assertLessEqual(rest["wants_gil"], 2, "who sleeps does not want it")
            if "free-threading" in subprocess.run([python, "-VV"], capture_output=True, text=True).stdout:
                self.assertEqual(contend["wants_gil"], 0, "there is none to want")
                return
            # Of two that want to run all the time one has it; the other waits, or was woken and waits for a CPU.
            share = contend["has_gil"] / contend["samples"]
            self.assertAlmostEqual(share, 0.5, delta=0.05 + 4 * (0.25 / contend["samples"]) ** 0.5)
            self.assertGreater(contend["wants_gil"], 0.15 * contend["samples"])
            self.assertLessEqual(contend["has_gil"] + contend["wants_gil"], contend["samples"])

        self.each(check)

    def test_who_handles_an_exception_is_known(self):
        def check(python, folder):
            found, _ = self.states(python, folder, "exceptions", "handles", "has_none")
            for name, least, most in (("handles", 0.95, 1), ("has_none", 0, 0.05)):
                self.assertGreater(found[name]["samples"], 100)
                share = found[name]["has_exception"] / found[name]["samples"]
                self.assertTrue(least <= share <= most, f"{name}: {share}")

        self.each(check)

    def test_time_in_the_garbage_collector_is_known(self):
        def check(python, folder):
            found, share = self.states(python, folder, "gc", "has_none", "collect")
            self.assertLess(found["has_none"]["in_gc"], 0.02 * found["has_none"]["samples"] + 2)
            samples = found["has_none"]["samples"] + found["collect"]["samples"]
            self.assertAlmostEqual(found["collect"]["in_gc"] / samples, share, delta=0.05 + 4 * (share * (1 - share) / samples) ** 0.5)

        self.each(check)

    def test_children_are_followed_and_the_exit_status_is_passed_on(self):
        def check(python, _):
            lines, counters, _ = probe("--rate", 200, "--", python, HERE / "sampler_programs/children.py")
            self.assertEqual(counters["exit"], 3)
            seen = {short(f) for line in lines for f in line.frames}
            self.assertLessEqual({"spin_in_child", "executed"}, seen)
            spinning = {line.thread for line in lines if any(short(f) == "spin_in_child" for f in line.frames)}
            self.assertTrue(spinning)
            self.assertGreaterEqual(counters["processes"], 4)

        self.each(check)

    def test_who_uses_the_cpu_and_who_has_the_gil_is_known(self):
        program = ("import threading, time\n"
                   "def sleeper(): time.sleep(2)\n"
                   "def spinner():\n"
                   "    e = time.monotonic() + 2\n"
                   "    while time.monotonic() < e: pass\n"
                   "threading.Thread(target=sleeper).start()\n"
                   "spinner()\n")
        def check(python, _):
            for mode in ("cpu", "gil"):
                lines, _, _ = probe("--rate", 200, "--mode", mode, "--", python, "-c", program)
                by_leaf = collections.Counter()
                for line in lines:
                    for name in ("sleeper", "spinner"):
                        if any(f[0] == name for f in line.frames):
                            by_leaf[name] += line.samples
                self.assertGreater(by_leaf["spinner"], 50)
                self.assertLess(by_leaf["sleeper"], 0.1 * by_leaf["spinner"], mode)

        self.each(check)


class AnyProgram(unittest.TestCase):
    def test_a_program_without_python_is_said_to_have_none(self):
        lines, counters, words = probe("--", "sleep", "1.5")
        self.assertEqual(lines, [])
        self.assertIn("no Python runs in sleep", words)
        self.assertGreater(counters["points"], 10, "its memory is followed all the same")
        self.assertEqual(counters["exit"], 0)

    def test_a_signal_becomes_its_number_below_zero(self):
        _, counters, _ = probe("--", "sh", "-c", "kill -9 $$")
        self.assertEqual(counters["exit"], -signal.SIGKILL)

    def test_a_command_that_is_not_there_is_an_error(self):
        done = subprocess.run([str(PROBE), "--", "no-such-command"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1 if done.returncode == 1 else 2)
        self.assertIn("cannot run no-such-command", done.stderr)

    def test_a_process_that_is_gone_is_an_error(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        done = subprocess.run([str(PROBE), str(gone.pid)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 3)


if __name__ == "__main__":
    support.say_missing()
    unittest.main()
