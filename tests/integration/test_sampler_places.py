"""Pythons in unusual places, and unusual things that happen to them."""

import collections
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))

import support  # noqa: E402
from test_sampler import PROBE, probe, short  # noqa: E402

SPIN = "import time\ndef spin():\n    end = time.monotonic() + 1.5\n    while time.monotonic() < end: pass\nspin()\n"
PROGRAMS = HERE / "sampler_programs"


def samples_in(lines, name):
    return sum(line.samples for line in lines if name in map(short, line.frames))


class Places(unittest.TestCase):
    pythons = support.pythons()

    def each(self, check, few=False):
        chosen = list(self.pythons.items())
        if few:  # where the version makes little difference: the oldest, one between, the newest
            chosen = [chosen[i] for i in sorted({0, len(chosen) // 2, len(chosen) - 1})]
        for label, python in chosen:
            with self.subTest(python=label), support.scratch() as folder:
                check(python, folder)

    def test_a_stack_of_twenty_thousand_frames_is_whole(self):
        def check(python, _):
            lines, counters, words = probe("--rate", 50, "--", python, PROGRAMS / "deep.py", 20000, 1.5)
            if counters["exit"] != 0:
                print(f"SKIP: {python} cannot go that deep itself: exit {counters['exit']}", flush=True)
                return
            depths = collections.Counter()
            for line in lines:
                names = [short(f) for f in line.frames]
                if names and names[-1] == "bottom":
                    depths[names.count("down")] += line.samples
            if not depths and counters["missed"] > 50:
                print(f"SKIP: {python}: no sample at the bottom on a machine this busy: {counters}", flush=True)
                return
            self.assertEqual(list(depths), [20000], counters)
            self.assertGreater(counters["samples"], 3 * counters["torn"], f"{counters}: mostly torn")

        self.each(check)

    def test_every_interpreter_is_sampled(self):
        def check(python, _):
            version = subprocess.run([python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True)
            version = tuple(map(int, version.stdout.split()))
            if version < (3, 12):
                return  # such a program often deadlocks by itself there
            lines, _, _ = probe("--rate", 200, "--", python, PROGRAMS / "interpreters.py")
            inside, outside = samples_in(lines, "inside"), samples_in(lines, "outside")
            self.assertGreater(inside, 20)
            self.assertGreater(outside, 20)
            if version >= (3, 13):
                # With a GIL each, both have theirs.
                for name in ("inside", "outside"):
                    has = sum(line.has_gil for line in lines if name in map(short, line.frames))
                    self.assertGreater(has, 0.9 * samples_in(lines, name), name)

        self.each(check)

    def test_a_python_that_is_loaded_late_is_found(self):
        compiler = shutil.which("cc")
        if not compiler:
            self.skipTest("SKIP: there is no C compiler")
        checked = 0
        with support.scratch() as folder:
            late = folder / "late"
            subprocess.run([compiler, str(HERE / "late_python.c"), "-o", str(late), "-ldl"], check=True)
            for label, python in self.pythons.items():
                say = ("import sys, sysconfig, os; print(sys.base_prefix); "
                       "print(os.path.join(sysconfig.get_config_var('LIBDIR'), sysconfig.get_config_var('INSTSONAME')))")
                home, library = subprocess.run([python, "-c", say], capture_output=True, text=True).stdout.split("\n")[:2]
                if not library.endswith(".so.1.0") or not os.path.exists(library):
                    continue
                with self.subTest(python=label):
                    os.environ["PYTHONHOME"] = home
                    try:
                        lines, _, _ = probe("--rate", 100, "--", late, library, SPIN)
                    finally:
                        del os.environ["PYTHONHOME"]
                    self.assertGreater(samples_in(lines, "spin"), 30)
                    checked += 1
        if not checked:
            self.skipTest("SKIP: no Python here has a shared library")

    def test_a_python_in_namespaces_of_its_own_is_read(self):
        """As in a container: other pids, other mounts."""
        enter = ["unshare", "--user", "--map-root-user", "--pid", "--mount", "--fork", "--mount-proc"]
        if os.geteuid() == 0:
            enter = ["unshare", "--pid", "--mount", "--fork", "--mount-proc"]
        if not shutil.which("unshare") or subprocess.run([*enter, "true"], capture_output=True).returncode:
            self.skipTest("SKIP: this machine allows no namespaces")

        def check(python, folder):
            script = folder / "threads.py"
            script.write_text("import threading, time\n"
                              "t = threading.Thread(target=time.sleep, args=(4,), name='sleeper')\nt.start()\n"
                              "def spin():\n    end = time.monotonic() + 4\n    while time.monotonic() < end: pass\n"
                              "spin()\n")
            lines, _, words = probe("--rate", 100, "--duration", 4, "--", *enter, python, script)
            spinning = [line for line in lines if "spin" in map(short, line.frames)]
            self.assertGreater(sum(line.samples for line in spinning), 50, words)
            cpu = sum(line.cpu for line in spinning)
            self.assertGreater(cpu, 0.1 * sum(line.wall for line in spinning), "its CPU time is known too")

        self.each(check, few=True)

    def greenlets_of(self, module, script, right):
        """`right`: the innermost frames of all stacks in which the program works, and what the first takes twice as long for."""
        checked = 0
        for label, python in {**self.pythons, "of the SDKs": os.environ.get("HELIOGRAPH_SDK_PYTHON", "")}.items():
            if not python or subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode:
                continue
            with self.subTest(python=label):
                lines, _, words = probe("--rate", 500, "--", python, PROGRAMS / script, 2)
                cpu = collections.Counter()
                for line in lines:
                    names = list(map(short, line.frames))
                    if "spin" in names:
                        self.assertIn(names[-len(right[0]):], right, words)
                        cpu[names[-2]] += line.cpu
                self.assertAlmostEqual(cpu[right[0][-2]] / sum(cpu.values()), 2 / 3, delta=0.1)
                checked += 1
        if not checked:
            self.skipTest(f"SKIP: no Python here has {module}")

    def test_greenlets_are_not_mixed_up(self):
        self.greenlets_of("greenlet", "greenlets.py", (["one", "inner_one", "spin"], ["two", "inner_two", "spin"]))

    def test_gevents_greenlets_are_not_mixed_up(self):
        whole = (["forever", "even", "inner_even", "spin"], ["forever", "odd", "inner_odd", "spin"])
        self.greenlets_of("gevent", "gevents.py", whole)

    def test_frozen_modules_and_a_stripped_program(self):
        def check(python, folder):
            lines, _, _ = probe("--rate", 200, "--", python, "-X", "frozen_modules=on", "-c", SPIN)
            self.assertGreater(samples_in(lines, "spin"), 50)
            real = pathlib.Path(os.path.realpath(python))
            if not shutil.which("strip"):
                print("SKIP: there is no strip", flush=True)
                return
            bare = folder / real.name
            shutil.copy(real, bare)
            subprocess.run(["strip", "--strip-all", str(bare)], check=True)
            os.environ["PYTHONHOME"] = subprocess.run([python, "-c", "import sys; print(sys.base_prefix)"],
                                                      capture_output=True, text=True).stdout.strip()
            try:
                lines, counters, words = probe("--rate", 200, "--", bare, "-c", SPIN)
            finally:
                del os.environ["PYTHONHOME"]
            if counters["exit"] == 0:
                self.assertGreater(samples_in(lines, "spin"), 50, words)
            else:
                print(f"SKIP: a copy of {python} does not run from elsewhere", flush=True)

        self.each(check, few=True)


class Happenings(unittest.TestCase):
    python = sys.executable

    def test_a_stopped_process_is_no_error_and_goes_on_being_sampled(self):
        with support.scratch() as folder:
            script = folder / "spin.py"
            script.write_text("def spin():\n    while True: pass\nspin()\n")
            run = subprocess.Popen([str(PROBE), "--rate", "200", "--duration", "3", "--", self.python, str(script)],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            target = support.wait_for(lambda: subprocess.run(["pgrep", "-P", str(run.pid)], capture_output=True,
                                                             text=True).stdout.split(), what="the program")
            for _ in range(4):
                os.kill(int(target[0]), signal.SIGSTOP)
                time.sleep(0.2)
                os.kill(int(target[0]), signal.SIGCONT)
                time.sleep(0.2)
            out, err = run.communicate(timeout=60)
            counters = json.loads([line for line in err.splitlines() if line.startswith("{")][-1])
            self.assertEqual(counters["errors"], 0, err)
            self.assertGreater(counters["samples"], 100)
            self.assertNotIn("notice", err)

    def test_programs_that_die_while_they_are_read_leave_nothing_behind(self):
        """Killed, crashed or replaced at any moment, also while a thread is stopped to be read."""
        body = ("import os, signal, sys, threading\n"
                "sys.setrecursionlimit(10000)\n"
                "def churn(n):\n    return n if n == 0 else churn(n - 1)\n"
                "def work():\n"
                "    while True: churn(20)\n"
                "for _ in range(2): threading.Thread(target=work, daemon=True).start()\n"
                "end = %d\n"
                "for i in range(end): churn(20)\n"
                "%s\n")
        ends = ["os.kill(os.getpid(), signal.SIGKILL)", "os.abort()",
                "os.execv(sys.executable, [sys.executable, '-c', 'pass'])", "os._exit(3)"]
        for round in range(3):
            for expected, end in zip((-signal.SIGKILL, -signal.SIGABRT, 0, 3), ends):
                lines, counters, words = probe("--rate", 1000, "--", self.python, "-c", body % (3000 + 500 * round, end), timeout=60)
                self.assertEqual(counters["exit"], expected, end)
                self.assertEqual(counters["errors"], 0, words)

    def test_a_thousand_short_children_leave_no_memory_behind(self):
        body = ("import subprocess\n"
                "def burn():\n"
                "    for _ in range(%d): subprocess.run(['true'])\n"
                "burn()\n")

        def peak(children):
            done = subprocess.run([str(PROBE), "--rate", "50", "--quiet", "--", self.python, "-c", body % children],
                                  capture_output=True, text=True, timeout=240)
            counters = json.loads([line for line in done.stderr.splitlines() if line.startswith("{")][-1])
            self.assertEqual(counters["errors"], 0, done.stderr)
            return counters["rss_kib"], counters

        few, _ = peak(50)
        many, counters = peak(1000)
        self.assertLess(many - few, 4096, "KiB for 950 more children")
        self.assertEqual(counters["exit"], 0)


if __name__ == "__main__":
    support.say_missing()
    unittest.main()
