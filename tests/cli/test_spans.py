"""`--span`: when functions ran, and when garbage was collected, as brackets on the memory plot."""

import json
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support import Server, environment, get_json, heliograph, pythons, say_missing, scratch, wait_for  # noqa: E402

PROGRAM = '''
import gc, sys, time
class Loader:
    def run(self, until):
        while time.perf_counter() < until:
            pass
def load():
    Loader().run(time.perf_counter() + 0.4)
def rest():
    time.sleep(0.3)
def deep(n):
    if n:
        return deep(n - 1)
    time.sleep(0.2)
def main():
    load()
    rest()
    deep(20)
    load()
    kept = [[i] for i in range(400000)]
    gc.disable()
    full = gc.get_stats()[2]["collections"]
    for _ in range(3):
        gc.collect()
    print(gc.get_stats()[2]["collections"] - full)
main()
'''


def spans_of(folder, saved):
    done = heliograph(folder, "convert", saved, "-o", folder / "out.json", "--to", "json")
    if done.returncode:
        raise AssertionError(done.stderr)
    return json.loads((folder / "out.json").read_text())["spans"]


def version(label):
    return tuple(int(part) for part in label.split()[0].split(".")[:2])


def length_s(span):
    return (span["end_ns"] - span["begin_ns"]) / 1e9


class Spans(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        say_missing()

    def test_functions_are_marked_where_they_ran_on_every_python(self):
        for label, python in pythons().items():
            with self.subTest(label), scratch() as folder:
                (folder / "prog.py").write_text(PROGRAM)
                saved = folder / "out.heliograph"
                done = heliograph(folder, "run", "--no-open", "--save", saved, "--span", "prog.[ldr]*", "--span",
                                  "prog.Loader.run", "--span", "prog.missing", "--", python, folder / "prog.py")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(done.stdout, "3\n")
                self.assertIn("--span prog.missing: no function", done.stderr)
                self.assertNotIn("--span prog.Loader.run:", done.stderr)
                spans = spans_of(folder, saved)
                calls = [s for s in spans if s["name"].startswith("prog.")]
                run = "prog.Loader.run" if version(label) >= (3, 11) else "prog.run"
                self.assertEqual([s["name"] for s in sorted(calls, key=lambda s: (s["begin_ns"], s["level"]))],
                                 ["prog.load", run, "prog.rest", "prog.deep", "prog.load", run])
                # Never shorter than the call but for what lies between two samples: the first may be
                # met late, while Python is still being found.
                for name, least in (("prog.rest", 0.1), ("prog.deep", 0.03), (run, 0.03)):
                    for span in calls:
                        if span["name"] == name:
                            self.assertGreater(length_s(span), least, span)
                            self.assertGreater(span["begin_value"], 1e6)
                full = [s for s in spans if s["name"] == "GC generation 2"]
                if version(label) < (3, 15):
                    self.assertGreaterEqual(len(full), 1)

    def test_the_mprof_file_has_them_as_functions(self):
        python = list(pythons().values())[-1]
        with scratch() as folder:
            (folder / "prog.py").write_text(PROGRAM)
            saved = folder / "out.heliograph"
            heliograph(folder, "run", "--no-open", "--save", saved, "--span", "rest", "--", python, folder / "prog.py")
            done = heliograph(folder, "convert", saved, "-o", folder / "out.dat", "--to", "mprof")
            self.assertEqual(done.returncode, 0, done.stderr)
            rows = [line.split() for line in (folder / "out.dat").read_text().splitlines() if line.startswith("FUNC prog.rest ")]
            self.assertEqual(len(rows), 1)
            _, _, begin_mib, begin, end_mib, end, level = rows[0]
            self.assertGreater(float(end) - float(begin), 0.1)
            self.assertGreater(float(begin_mib), 1)
            self.assertGreater(float(end_mib), 1)
            self.assertEqual(level, "0")

    def test_a_running_program_is_marked_after_attach_and_an_open_span_is_seen_live(self):
        python = list(pythons().values())[-1]
        with scratch() as folder:
            (folder / "prog.py").write_text("import time\ndef wait():\n    time.sleep(600)\nwait()\n")
            program = subprocess.Popen([python, str(folder / "prog.py")], env=environment(folder))
            try:
                with Server(folder, "--no-open", "--duration", "60", "--span", "prog.wait", str(program.pid), command="attach") as attach:
                    url = attach.url()
                    api = "{}/api/v1/profiles/{}".format(*url.split("/p/"))

                    def open_span():
                        return [s for s in get_json(f"{api}/spans")["spans"] if s["end_s"] is None]

                    self.assertEqual(wait_for(open_span, what="a span that goes on")[0]["name"], "prog.wait")
                    self.assertIsNone(program.poll())
            finally:
                program.kill()
                program.wait()

    def test_what_cannot_be_is_refused(self):
        with scratch() as folder:
            for options, words in ((["--span", ""], "--span takes"), (["--span", "x" * 300], "--span takes"),
                                   (["--span", "f", "--no-stacks"], "--no-stacks"),
                                   (["--span", "f"] * 65, "at most 64")):
                done = heliograph(folder, "run", "--no-open", *options, "--", "true")
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(words, done.stderr)


if __name__ == "__main__":
    unittest.main()
