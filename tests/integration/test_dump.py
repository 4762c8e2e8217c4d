"""`heliograph dump` on programs that rest, with every Python found: are the answers what the program knows of itself?"""

import contextlib
import json
import pathlib
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
            answer = dump(folder, pid, "--json", *options)
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


if __name__ == "__main__":
    support.say_missing()
    unittest.main()
