"""Saved profiles from the command line: report, open, list, export, delete, exit codes."""

import gzip
import json
import pathlib
import pstats
import re
import shutil
import subprocess
import sys
import unittest
import urllib.error

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support import Server, get_json, heliograph, report, scratch  # noqa: E402

PROGRAM = "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\ndef main():\n    fib(16)\n    sorted(range(1000), key=str)\nmain()\n"


def make_prof(folder):
    script = folder / "fib.py"
    script.write_text(PROGRAM)
    saved = folder / "fib.prof"
    subprocess.run([sys.executable, "-m", "cProfile", "-o", str(saved), str(script)], check=True, stdout=subprocess.DEVNULL)
    return saved


class Saved(unittest.TestCase):
    def test_report_equals_pstats(self):
        with scratch() as folder:
            saved = make_prof(folder)
            stats = report(folder, saved, "--top", "0")
            theirs = pstats.Stats(str(saved))
            self.assertEqual(stats["format"], "pstats")
            self.assertEqual(stats["counts"]["calls"], theirs.total_calls)
            self.assertEqual(stats["counts"]["primitive_calls"], theirs.prim_calls)
            self.assertAlmostEqual(stats["values"][0]["total"], theirs.total_tt, places=12)
            ours = {(f["file"], f["line"], f["name"]): f for f in stats["functions"]}
            self.assertEqual(len(ours), len(theirs.stats))
            for key, (cc, nc, tt, ct, _) in theirs.stats.items():
                self.assertEqual((ours[key]["primitive_calls"], ours[key]["ncalls"], ours[key]["self"], ours[key]["total"]), (cc, nc, tt, ct))

    def test_report_prints_the_pstats_columns(self):
        with scratch() as folder:
            done = heliograph(folder, "report", "--sort", "cumtime", make_prof(folder))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, r"ncalls\s+tottime\s+percall\s+cumtime\s+percall")
            self.assertRegex(done.stdout, r"3193/1\s")
            first = re.search(r"percall.*\n\s*\S+.*\n", done.stdout)
            self.assertIsNotNone(first)

    def test_open_imports_into_the_store_and_the_url_outlives_the_server(self):
        with scratch() as folder:
            folded = folder / "x.folded"
            folded.write_text("main;work;inner 70\nmain;work 20\nmain;rest 10\n")
            done = heliograph(folder, "open", "--no-open", make_prof(folder), folded)
            self.assertEqual(done.returncode, 0, done.stderr)
            ids = re.findall(r"/p/(\w+)", done.stdout)
            self.assertEqual(len(ids), 2, done.stdout)
            listed = json.loads(heliograph(folder, "list", "--json").stdout)
            self.assertEqual({row["id"] for row in listed}, set(ids))
            with Server(folder, "--listen", "127.0.0.1:0") as serve:
                base = serve.url()
                table = get_json(f"{base}/api/v1/profiles/{ids[1]}/table")
                selfs = dict(zip(table["columns"]["name"], table["columns"]["self"]))
                self.assertEqual((selfs["inner"], selfs["work"], selfs["rest"], selfs["main"]), (70, 20, 10, 0))
                graph = get_json(f"{base}/api/v1/profiles/{ids[0]}/flame?format=json")
                self.assertTrue(graph["head"]["estimated"])
                self.assertEqual(heliograph(folder, "delete", ids[0]).returncode, 0)
            self.assertEqual([row["id"] for row in json.loads(heliograph(folder, "list", "--json").stdout)], [ids[1]])
            out = heliograph(folder, "export", ids[1], "--to", "collapsed")
            self.assertEqual(out.returncode, 0, out.stderr)
            self.assertEqual(sorted(out.stdout.split("\n")[:-1]), sorted(folded.read_text().split("\n")[:-1]))

    def test_sources_go_along_when_they_are_asked_for_and_only_code(self):
        with scratch() as folder:
            prof, secret = make_prof(folder), folder / "secret.txt"
            secret.write_text("not code")
            folded = folder / "x.folded"
            folded.write_text(f"main ({secret}:1) 3\n")
            done = heliograph(folder, "open", "--no-open", "--sources", prof, folded)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("1 of 1 source files go along", done.stderr)
            self.assertIn("0 of 0 source files go along", done.stderr)
            plain = heliograph(folder, "open", "--no-open", prof)
            ids = re.findall(r"/p/(\w+)", done.stdout) + re.findall(r"/p/(\w+)", plain.stdout)
            with Server(folder, "--listen", "127.0.0.1:0") as server:
                base = server.url()
                texts = []
                for profile in ids:
                    functions = get_json(f"{base}/api/v1/profiles/{profile}/table")["columns"]
                    of = functions["id"][next(i for i, name in enumerate(functions["name"]) if name in ("fib", "main"))]
                    try:
                        texts.append(get_json(f"{base}/api/v1/profiles/{profile}/source?function={of}")["text"])
                    except urllib.error.HTTPError as error:
                        texts.append(error.code)
            self.assertEqual(texts, [PROGRAM, 404, 404])

    def test_the_store_is_copied_beside_a_running_server(self):
        with scratch() as folder:
            imported = heliograph(folder, "open", "--no-open", make_prof(folder))
            profile = re.search(r"/p/(\w+)", imported.stdout).group(1)
            with Server(folder, "--listen", "127.0.0.1:0") as serve:
                serve.url()
                done = heliograph(folder, "serve", "--backup", folder / "copy.db")
                self.assertEqual(done.returncode, 0, done.stderr)
            listed = json.loads(heliograph(folder, "list", "--json", "--store", folder / "copy.db").stdout)
            self.assertEqual([row["id"] for row in listed], [profile])

    def test_packed_files_and_stdin_are_the_same_profile(self):
        with scratch() as folder:
            saved = make_prof(folder)
            same = report(folder, saved)
            packed = {"fib.gz": gzip.compress(saved.read_bytes()), "twice.gz": gzip.compress(gzip.compress(saved.read_bytes()))}
            if shutil.which("zstd"):
                packed["fib.zst"] = subprocess.run(["zstd", "-c", str(saved)], check=True, capture_output=True).stdout
            else:
                print("SKIP: there is no zstd program to pack a file with", flush=True)
            for name, data in packed.items():
                (folder / name).write_bytes(data)
                told = report(folder, folder / name)
                self.assertEqual((told["values"], told["functions"]), (same["values"], same["functions"]), name)
                with open(folder / name, "rb") as stream:
                    done = heliograph(folder, "report", "--json", "-", stdin=stream)
                self.assertEqual(json.loads(done.stdout)["functions"], same["functions"], done.stderr)

    def test_the_page_as_one_file_is_read_again_and_pstats_loads_its_export(self):
        with scratch() as folder:
            saved = make_prof(folder)
            done = heliograph(folder, "convert", saved, "-o", folder / "fib.html")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            done = heliograph(folder, "convert", folder / "fib.html", "-o", folder / "again.prof", "--to", "pstats")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(pstats.Stats(str(folder / "again.prof")).stats, pstats.Stats(str(saved)).stats)

    def test_benchmarks_over_three_runs_and_the_gate(self):
        with scratch() as folder:
            for day, mean in ((1, 0.1), (2, 0.1), (3, 0.2)):
                stats = {"min": mean, "max": mean, "mean": mean, "stddev": mean / 50, "median": mean, "rounds": 20, "iterations": 1}
                (folder / f"{day}.json").write_text(json.dumps({"machine_info": {"node": "here"}, "commit_info": {"id": f"c{day}"}, "version": "4",
                    "datetime": f"2026-01-0{day}T00:00:00", "benchmarks": [{"name": "test_it", "fullname": "t.py::test_it", "stats": stats}]}))
            runs = [folder / f"{day}.json" for day in (3, 1, 2)]
            done = heliograph(folder, "history", "--json", "--fail", *runs)
            told = json.loads(done.stdout)
            self.assertEqual(done.returncode, 1)
            self.assertEqual([r["commit"] for r in told["runs"]], ["c1", "c2", "c3"])
            self.assertEqual([p.get("mark") for p in told["benchmarks"][0]["points"]], [None, None, "slower"])
            self.assertEqual(heliograph(folder, "history", "--fail", *runs[1:]).returncode, 0)
            self.assertEqual(heliograph(folder, "history", make_prof(folder)).returncode, 2)

    def test_bad_files_are_one_clear_line_and_exit_2(self):
        with scratch() as folder:
            bad = folder / "bad.prof"
            bad.write_bytes(make_prof(folder).read_bytes()[:-40])
            for path in (bad, folder / "missing.prof", folder):
                done = heliograph(folder, "report", path)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
                self.assertNotIn("Sanitizer", done.stderr)

    def test_every_command_has_help_and_unknown_ones_exit_2(self):
        with scratch() as folder:
            overview = heliograph(folder, "--help")
            commands = [name for name in re.findall(r"^  (\w+) ", overview.stdout, re.M) if name != "heliograph"]
            self.assertGreaterEqual(len(commands), 12)
            for command in commands:
                done = heliograph(folder, command, "--help")
                self.assertEqual(done.returncode, 0, command)
                self.assertTrue(done.stdout.startswith(f"usage: heliograph {command}"), done.stdout)
            self.assertEqual(heliograph(folder, "fly").returncode, 2)
            self.assertEqual(heliograph(folder, "run", "--speed", "9").returncode, 2)
            self.assertEqual(heliograph(folder, "report").returncode, 2)
            self.assertRegex(heliograph(folder, "--version").stdout, r"^heliograph \d+\.\d+\.\d+ ")
            self.assertEqual(heliograph(folder, "upload", "--server", "http://127.0.0.1:9", make_prof(folder)).returncode, 4)


if __name__ == "__main__":
    unittest.main(verbosity=1)
