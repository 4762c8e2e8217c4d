"""`heliograph dump` on programs that rest, with every Python found: are the answers what the program knows of itself?"""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import support  # noqa: E402

PROGRAMS = HERE / "sampler_programs"


@contextlib.contextmanager
def running(python, *args):
    process = subprocess.Popen([python, *map(str, args)], stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def dump(folder, pid, *options):
    done = support.heliograph(folder, "dump", *options, pid)
    if done.returncode:
        raise AssertionError(f"dump said {done.returncode}: {done.stderr}")
    return json.loads(done.stdout) if "--json" in options else done.stdout


def short(frame):
    return frame["name"].split(".")[-1]


class EveryPython(unittest.TestCase):
    pythons = support.pythons()

    def each(self, check):
        self.assertTrue(self.pythons, "no Python at all")
        for label, python in self.pythons.items():
            with self.subTest(python=label), support.scratch() as folder:
                check(python, folder)

    def resting(self, folder, pid, *options, names=("rest",)):
        """A dump in which some thread rests in the innermost of these functions."""
        def look():
            done = support.heliograph(folder, "dump", "--json", *options, pid)  # while its Python starts, that is refused
            answer = json.loads(done.stdout) if done.returncode == 0 else {"threads": []}
            return answer if any(t["frames"] and short(t["frames"][0]) in names for t in answer["threads"]) else None

        return support.wait_for(look, what="the program to rest")

    def test_columns_are_those_of_tracebacks(self):
        def check(python, folder):
            with running(python, PROGRAMS / "expressions.py", 60, folder / "told") as process:
                frames = self.resting(folder, process.pid, "--columns")["threads"][0]["frames"]
                text = dump(folder, process.pid, "--columns")
                plain = dump(folder, process.pid, "--json")["threads"][0]["frames"]
            told = json.loads((folder / "told").read_text())
            found = [[f["name"], f["line"], f["column"], f["end_line"], f["end_column"]] for f in frames if "column" in f]
            self.assertEqual([f for f in found if f[0] in ("adds", "<module>")], told)
            self.assertFalse(any("column" in f for f in plain), "not without being asked")
            if told:
                (name, line, *rest) = told[0]
                self.assertEqual((name, rest), ("adds", [9, line, 34]))
                self.assertIn(f"expressions.py:{line}:9-33\n", text)
            else:
                self.assertIn("columns: known from 3.11 on", text)
                self.assertEqual([short(f) for f in frames], ["rest", "waits", "adds", "<module>"])

        self.each(check)

    def test_variables_are_what_repr_says(self):
        def check(python, folder):
            with running(python, PROGRAMS / "variables.py", folder / "told") as process:
                frames = self.resting(folder, process.pid, "--locals", "--locals-size", "4K")["threads"][0]["frames"]
                short_text = dump(folder, process.pid, "--locals", "--locals-size", "32")
            told = json.loads((folder / "told").read_text())
            self.assertEqual([short(f) for f in frames[:2]], ["rest", "inner"])
            found = {v["name"]: v["value"] for v in frames[1]["locals"]}
            for name, value in told.items():
                # A quote of either kind is as good; sets of one member have one order.
                self.assertEqual(found[name], value.replace('"', "'"), name)
            self.assertEqual((found["colour"], found["point"]), ("Colour(1)", "Point((1, 2.5))"))
            self.assertRegex(found["thing"], "^<Thing at 0x[0-9a-f]+>$")
            self.assertRegex(found["circle"], r"^\[{6}<list at 0x[0-9a-f]+>\]{6}$")
            self.assertEqual(found["long"], "'" + "x" * 4095 + "...")
            self.assertNotIn("unbound", found)
            self.assertIn("\n        long = '" + "x" * 31 + "...\n", short_text)
            self.assertEqual(frames[0]["locals"], [])

        self.each(check)

    def test_variables_of_a_program_that_never_rests_are_those_of_the_stack_or_not_shown(self):
        body = ("def one(n):\n    only_one = n\n    return only_one\n"
                "def two(n):\n    only_two = n\n    return only_two\n"
                "def forever():\n    i = 0\n    while True:\n        i = one(i) + 1; i = two(i)\nforever()\n")
        belongs = {"one": {"n", "only_one"}, "two": {"n", "only_two"}, "forever": {"i"}}

        def check(python, folder):
            with running(python, "-c", body) as process:
                support.wait_for(lambda: "forever  " in support.heliograph(folder, "dump", process.pid).stdout, what="the program")
                for _ in range(10):
                    for frame in dump(folder, process.pid, "--json", "--locals")["threads"][0]["frames"]:
                        if short(frame) in belongs:
                            names = {v["name"] for v in frame.get("locals", [])}
                            self.assertLessEqual(names, belongs[short(frame)])

        self.each(check)

    def test_tasks_that_wait_are_shown_where_they_wait(self):
        def check(python, folder):
            wanted = {
                "main": (["main"], "_GatheringFuture"),
                "mïddle": (["leaf", "middle"], "Future"),
                "sleeper": (["sleep", "sleeper"], "Future"),
                "watcher": (["watcher"], "Task mïddle"),
                "reader": (["sleep", "numbers", "reader"], "Future"),
            }
            second = {"second " + name: (frames, awaited.replace("mïddle", "second mïddle")) for name, (frames, awaited) in wanted.items()}
            with running(python, PROGRAMS / "waiting.py") as process:
                def look():
                    done = support.heliograph(folder, "dump", "--json", "--async", "all", "--locals", process.pid)
                    answer = json.loads(done.stdout) if done.returncode == 0 else {}
                    waits = {t["name"]: ([short(f) for f in t["frames"]], t["waits_for"]) for t in answer.get("tasks", [])}
                    return answer if waits == {**wanted, **second} else None

                answer = support.wait_for(look, what="ten tasks to wait")
                text = dump(folder, process.pid, "--async", "all")
            self.assertEqual((answer["tasks_complete"], answer["tasks_unread"]), (True, 0))
            middle = [t for t in answer["tasks"] if t["name"] == "mïddle"][0]["frames"][1]
            self.assertEqual({v["name"]: v["value"] for v in middle["locals"] if v["name"] != "future"}, {"number": "3", "doubled": "6"})
            self.assertIn("\ntask watcher, waits for Task mïddle\n    watcher  ", text)

        self.each(check)

    def test_a_task_that_runs_is_told_from_one_that_cannot_be_read(self):
        """A coroutine need not be Python's own: such a task has no frames to show, and is counted."""
        body = ("import asyncio, collections.abc, time\n"
                "class Foreign(collections.abc.Coroutine):\n"
                "    def send(self, value): return None\n"
                "    def throw(self, *what): raise StopIteration\n"
                "    def close(self): pass\n"
                "    def __await__(self): return self\n"
                "async def main():\n"
                "    kept = asyncio.get_running_loop().create_task(Foreign()) if FOREIGN else None\n"
                "    await asyncio.sleep(0)\n"
                "    spin_on()\n"
                "def spin_on():\n    end = time.monotonic() + 60\n    while time.monotonic() < end: pass\n"
                "asyncio.run(main())\n")

        def check(python, folder):
            for foreign in (0, 1):
                with running(python, "-c", body.replace("FOREIGN", str(foreign))) as process:
                    def look():
                        done = support.heliograph(folder, "dump", "--json", "--async", "all", process.pid)
                        answer = json.loads(done.stdout) if done.returncode == 0 else {}
                        runs = any("spin_on" in map(short, t["frames"]) for t in answer.get("threads", []))
                        return answer if runs and "tasks_complete" in answer else None

                    answer = support.wait_for(look, what="the program to run")
                    told = (answer["tasks"], answer["tasks_unread"], answer["tasks_complete"])
                    self.assertEqual(told, ([], foreign, not foreign))
                    said = "(1 more tasks whose frames could not be read)" in dump(folder, process.pid, "--async", "all")
                    self.assertEqual(said, bool(foreign))

        self.each(check)

    def test_without_asyncio_it_says_so(self):
        with support.scratch() as folder, running(sys.executable, "-c", "import time\ntime.sleep(60)") as process:
            support.wait_for(lambda: support.heliograph(folder, "dump", process.pid).returncode == 0, what="the program")
            self.assertIn("no asyncio tasks: its C module is not loaded", dump(folder, process.pid, "--async", "all"))
            for options in (["--async", "some"], ["--locals", "--locals-size", "1"], ["--locals-size", "1M"]):
                done = support.heliograph(folder, "dump", *options, process.pid)
                self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)

    def test_who_may_not_read_a_process_hears_what_is_missing(self):
        with support.scratch() as folder:
            program, target, become = support.HELIOGRAPH, 1, []  # a person cannot read the system's first process
            if os.geteuid() == 0:
                if not shutil.which("setpriv"):
                    self.skipTest("SKIP: root, and there is no setpriv to become another user with")
                folder.chmod(0o755)
                program = shutil.copy(support.HELIOGRAPH, folder)
                target, become = os.getpid(), ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
            for command in (["dump"], ["attach", "--no-open", "--save", "/dev/null"]):
                done = subprocess.run([*become, program, *command, str(target)], capture_output=True, text=True, timeout=60,
                                      env=support.environment(folder), cwd="/")
                self.assertEqual(done.returncode, 3, done.stderr)
                self.assertRegex(done.stderr, f"not permitted to read process {target} of user 0: that takes CAP_SYS_PTRACE, which heliograph "
                                 r"\(user \d+\) does not have: (run heliograph with sudo|start the container with --cap-add=SYS_PTRACE)\n$")


if __name__ == "__main__":
    support.say_missing()
    unittest.main()
