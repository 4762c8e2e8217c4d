"""Allocation events end to end: real programs under the agent, drained by the collector's heap, and
the stream's rows compared with what the programs are known to have done, on every CPython found."""

import collections
import json
import math
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import support

PROGRAMS = pathlib.Path(__file__).resolve().parent / "memory_programs"
RELEASE = pathlib.Path(os.environ.get("HELIOGRAPH_RELEASE", support.ROOT / "build/release"))
PROBE = RELEASE / "heap_probe"
AGENT = RELEASE / "libheliograph-agent.so"


def has_no_gil(python):
    return "free-threading" in subprocess.run([python, "-VV"], capture_output=True, text=True).stdout


EVERY = support.pythons()
WITHOUT_GIL = {label: python for label, python in EVERY.items() if label >= "3.13" and has_no_gil(python)}
PYTHONS = {label: python for label, python in EVERY.items() if label not in WITHOUT_GIL}
ONE = next((path for label, path in PYTHONS.items() if label.startswith("3.12")), None) or next(iter(PYTHONS.values()))


def version(label):
    return tuple(int(part) for part in label.split()[0].split(".")[:2])


def command(python, program, *args, mode="exact", options=()):
    return [str(PROBE), str(AGENT), mode, *options, "--", python, str(PROGRAMS / program), *map(str, args)]


def clean_environment(**more):
    return {**{k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}, **more}


def run(python, program, *args, mode="exact", options=(), timeout=120, **env):
    done = subprocess.run(command(python, program, *args, mode=mode, options=options), capture_output=True, text=True,
                          timeout=timeout, env=clean_environment(**env))
    if done.returncode:
        raise AssertionError(f"heap_probe said {done.returncode}: {done.stderr[-2000:]}")
    result = json.loads(done.stdout)
    result["stderr"] = done.stderr
    return result


def run_sampled(python, program, every, **env):
    """Sampled mode never waits: what a collector without a core could not take is counted as lost, and then the run says nothing about the rest."""
    for _ in range(5):
        result = run(python, program, mode="sampled", options=("--every", str(every)), **env)
        if result["lost"] == 0:
            return result
    raise AssertionError(f"five runs lost events, the last {result['lost']}")


def child_of(probe):
    """The program that a probe runs."""
    children = pathlib.Path(f"/proc/{probe.pid}/task/{probe.pid}/children")
    return int(children.read_text().split()[0])


def by_line(result, program, domain=None):
    """{line: {"allocated": ..., ...}} of one program's file."""
    lines = collections.defaultdict(collections.Counter)
    for row in result["sums"]:
        if row["file"].endswith("/" + program) and domain in (None, row["domain"]):
            for key in ("allocated", "allocations", "freed", "frees"):
                lines[row["line"]][key] += row[key]
    return lines


def expected_lines(program):
    """{line: (bytes, count)} from the comments `# name: COUNT * SIZE` in it."""
    expected = {}
    for number, text in enumerate((PROGRAMS / program).read_text().splitlines(), 1):
        found = re.search(r"#\s*(\w+): (COUNT|\d+) \* (\d+)", text)
        if found:
            count = 1000 if found.group(2) == "COUNT" else int(found.group(2))
            domain = {"malloc": "malloc", "realloc": "malloc", "calloc": "malloc", "mmap": "mmap"}.get(found.group(1), "object")
            expected[number] = (domain, count * int(found.group(3)), count)
    return expected


class Exact(unittest.TestCase):
    def assert_known(self, result):
        self.assertEqual(result["status"], 0, result["stderr"])
        self.assertEqual(result["lost"], 0)
        self.assertTrue(result["is_ordered"])
        expected = expected_lines("known.py")
        self.assertEqual(len(expected), 7)
        for line, (domain, size, count) in expected.items():
            row = by_line(result, "known.py", domain)[line]
            self.assertEqual((row["allocated"], row["allocations"]), (size, count), f"line {line}")

    def test_known_histories_are_told_byte_for_byte(self):
        for label, python in PYTHONS.items():
            with self.subTest(label):
                self.assert_known(run(python, "known.py"))

    def test_frees_belong_to_the_line_that_allocated(self):
        for label, python in PYTHONS.items():
            with self.subTest(label):
                result = run(python, "known.py", "--exit")
                expected = {text: number for number, (text, *_) in expected_lines("known.py").items()}
                lines = {re.search(r"# (\w+):", text).group(1): number
                         for number, text in enumerate((PROGRAMS / "known.py").read_text().splitlines(), 1)
                         if re.search(r"# (\w+): \S+ \*", text)}
                self.assertTrue(expected)
                freed = {name: by_line(result, "known.py", domain)[lines[name]]
                         for name, domain in (("small", "object"), ("medium", "object"), ("big", "object"),
                                              ("malloc", "malloc"), ("realloc", "malloc"), ("calloc", "malloc"), ("mmap", "mmap"))}
                self.assertEqual((freed["small"]["freed"], freed["small"]["frees"]), (100 * 1000, 1000))
                self.assertEqual((freed["medium"]["freed"], freed["medium"]["frees"]), (5000 * 1000, 1000))
                self.assertEqual((freed["big"]["freed"], freed["big"]["frees"]), (0, 0))
                self.assertEqual((freed["malloc"]["freed"], freed["realloc"]["freed"]), (12345000, 23456000))
                self.assertEqual(freed["calloc"]["freed"], 0)
                # Thirty mappings lost one of their three pages; none is gone as a whole.
                self.assertEqual((freed["mmap"]["freed"], freed["mmap"]["frees"]), (30 * 4096, 0))

    def test_python_allocators_of_all_kinds_give_the_same(self):
        for label, python in PYTHONS.items():
            for name in ("malloc", "pymalloc", "debug", "malloc_debug", *(["mimalloc"] if version(label) >= (3, 13) else [])):
                with self.subTest(f"{label} PYTHONMALLOC={name}"):
                    self.assert_known(run(python, "known.py", PYTHONMALLOC=name))

    def test_all_of_malloc_s_family_is_counted_and_given_back(self):
        for label, python in PYTHONS.items():
            with self.subTest(label):
                result = run(python, "families.py")
                self.assertEqual((result["status"], result["lost"], result["unknown_frees"]), (0, 0, 0), result["stderr"])
                expected = expected_lines("families.py")
                self.assertEqual(len(expected), 9)
                for line, (domain, size, count) in expected.items():
                    row = by_line(result, "families.py", domain)[line]
                    moved = 0 if domain == "malloc" or count * 20480 != size else count
                    self.assertEqual((row["allocated"], row["allocations"]), (size, count), f"line {line}")
                    self.assertEqual(row["freed"], size, f"line {line}")
                    self.assertIn(row["frees"], (count, moved), f"line {line}")

    def test_interpreters_beside_the_main_one(self):
        for label, python in PYTHONS.items():
            with self.subTest(label):
                result = run(python, "interpreters.py")
                self.assertEqual((result["status"], result["lost"]), (0, 0), result["stderr"])
                rows = [row for row in result["sums"] if row["function"] == "in_sub" and row["domain"] == "object" and row["line"] == 6]
                # Up to 3.10 a line that runs often gets a cache of its own, once in each interpreter.
                extra = sum(row["allocations"] for row in rows) - 3 * 20 * 200
                self.assertIn(extra, range(4) if version(label) < (3, 11) else (0,))
                size = sum(row["allocated"] for row in rows)
                self.assertIn(size - 3 * 20 * 200 * 5000, range(300) if extra else (0,))
                self.assertEqual(sum(row["freed"] for row in rows), size)
                # 3.14 gives back the tables of its arenas with an interpreter: they are its own affair.
                self.assertLessEqual(result["unknown_frees"], 9 if version(label) >= (3, 14) else 0)

    def test_threads_without_a_gil_have_their_stacks(self):
        if not WITHOUT_GIL:
            self.skipTest("there is no free-threaded CPython 3.13 or later on this machine; set HELIOGRAPH_PYTHONS")
        for label, python in WITHOUT_GIL.items():
            with self.subTest(label):
                result = run(python, "without_gil.py", options=("--paths",))
                self.assertEqual((result["status"], result["lost"]), (0, 0), result["stderr"])
                rows = [row for row in result["sums"] if row["function"] == "leaf" and row["line"] == 8]
                self.assertEqual({row["path"].split(";run;")[-1].split("Thread.run;")[-1] for row in rows}, {"work;middle;leaf"})
                least = 6 * 100 * 50 * (4000 + 33)
                self.assertGreaterEqual(sum(row["allocated"] for row in rows), least)
                self.assertLess(sum(row["allocated"] for row in rows), least * 1.02)

    def test_agrees_with_tracemalloc_line_by_line(self):
        for label, python in PYTHONS.items():
            with self.subTest(label), support.scratch() as folder:
                result = run(python, "traced.py", folder / "lines.json")
                traced = {int(k): v for k, v in json.loads((folder / "lines.json").read_text()).items()}
                ours = by_line(result, "traced.py", "object")  # malloc has tracemalloc's own tables
                source = (PROGRAMS / "traced.py").read_text().splitlines()
                compared = 0
                for number, text in enumerate(source, 1):
                    if not text.startswith("        row[0] ="):
                        continue
                    row = ours[number]
                    in_use = [row["allocated"] - row["freed"], row["allocations"] - row["frees"]]
                    self.assertEqual(in_use, traced.get(number, [0, 0]), f"line {number}: {text.strip()}")
                    compared += 1
                self.assertEqual(compared, 3)

    def test_stacks_are_whole(self):
        for label, python in PYTHONS.items():
            with self.subTest(label):
                result = run(python, "paths.py", options=("--paths",))
                paths = {row["path"] for row in result["sums"]
                         if row["function"] == "leaf" and row["file"].endswith("/paths.py")}
                lt = "Key.__lt__" if not label.startswith(("3.8", "3.9", "3.10")) else "__lt__"
                self.assertEqual(paths, {";".join(["<module>"] + ["recursive"] * 41 + ["leaf"]),
                                         "<module>;consumer;generator;leaf", f"<module>;compared;{lt};leaf"})

    def test_code_that_comes_to_an_old_address_keeps_its_own_name(self):
        for label, python in PYTHONS.items():
            for mode, options in (("exact", ()), ("sampled", ("--every", "5000"))):
                with self.subTest(f"{label} {mode}"):
                    result = run(python, "reborn.py", mode=mode, options=options)
                    sizes = collections.defaultdict(set)
                    for row in result["sums"]:
                        if row["function"].startswith("made_"):
                            sizes[row["function"]].add(row["allocated"] - (0 if row["allocations"] == 1 else 1 << 40))
                    self.assertEqual(len(sizes), 300)
                    for n in range(300):
                        self.assertEqual(sizes[f"made_{n}"], {100033 + n})


class Processes(unittest.TestCase):
    def line(self, program, text):
        return next(n for n, line in enumerate((PROGRAMS / program).read_text().splitlines(), 1) if text in line)

    def test_a_hundred_threads(self):
        for label, python in PYTHONS.items():
            with self.subTest(label):
                result = run(python, "many_threads.py")
                self.assertEqual((result["status"], result["lost"], result["unknown_frees"]), (0, 0, 0), result["stderr"])
                rows = by_line(result, "many_threads.py", "object")
                made = rows[self.line("many_threads.py", "bytes(967)")]
                self.assertEqual((made["allocated"], made["allocations"]), (100 * 200 * 1000, 100 * 200))
                self.assertEqual((made["freed"], made["frees"]), (100 * 200 * 1000, 100 * 200))
                later = rows[self.line("many_threads.py", "bytes(1967)")]
                self.assertEqual((later["allocated"], later["freed"]), (2000 * 1000, 2000 * 1000))

    def test_two_hundred_forked_children(self):
        for label, python in PYTHONS.items():
            with self.subTest(label):
                result = run(python, "forks.py")
                self.assertEqual((result["status"], result["lost"], result["unknown_frees"]), (0, 0, 0), result["stderr"])
                self.assertEqual(result["processes"], 201)
                line = self.line("forks.py", "bytes(2967)")
                pids = collections.Counter()
                for row in result["sums"]:
                    if row["file"].endswith("/forks.py") and row["line"] == line and row["domain"] == "object":
                        pids[row["pid"]] += row["allocated"]
                self.assertEqual(sum(pids.values()), 200 * 100 * 3000)
                self.assertGreaterEqual(result["inherited_frees"], 200 * 100)

    def test_every_way_to_start_a_child(self):
        for label, python in PYTHONS.items():
            for method, children in (("fork", 3), ("spawn", 3), ("forkserver", 3), ("exec", 1)):
                with self.subTest(f"{label} {method}"):
                    result = run(python, "starts.py", method)
                    self.assertEqual((result["status"], result["lost"]), (0, 0), result["stderr"])
                    line = self.line("starts.py", "bytes(3967)")
                    made = sum(row["allocated"] for row in result["sums"]
                               if row["file"].endswith("starts.py") and row["line"] == line and row["domain"] == "object")
                    self.assertEqual(made, children * 100 * 4000)

    def test_children_with_an_environment_of_their_own(self):
        line = self.line("bare_environment.py", "bytes(3967)")
        for label, python in PYTHONS.items():
            with self.subTest(label):
                result = run(python, "bare_environment.py")
                # spawnve forks first: its child counts before and after its exec.
                self.assertEqual((result["status"], result["processes"]), (0, 6), result["stderr"])
                made = by_line(result, "bare_environment.py", "object")[line]
                self.assertEqual(made["allocated"], 4 * 100 * 4000)

    def test_marks_and_spans(self):
        for label, python in PYTHONS.items():
            for mode in ("exact", "sampled"):
                with self.subTest(f"{label} {mode}"):
                    result = run(python, "marked.py", support.ROOT / "python", mode=mode)
                    self.assertEqual(result["status"], 0, result["stderr"])
                    spans = result["spans"]
                    self.assertEqual([s["name"] for s in spans], ["begun \u2713", "inner", "decorated", "outer", "decorated"])
                    begun, inner, first, outer, second = spans
                    self.assertEqual(begun["begin_ns"], begun["end_ns"])
                    self.assertEqual([s["level"] for s in spans], [0, 1, 1, 0, 0])
                    self.assertTrue(outer["begin_ns"] < inner["begin_ns"] < inner["end_ns"] < first["begin_ns"] < outer["end_ns"])
                    self.assertGreaterEqual(inner["end_ns"] - inner["begin_ns"], 30e6)
                    self.assertGreaterEqual(outer["end_ns"] - outer["begin_ns"], 50e6)
                    self.assertNotEqual(first["tid"], second["tid"])
                    if mode == "exact":
                        self.assertGreaterEqual(inner["end_bytes"] - inner["begin_bytes"], 4990000)

    def test_marks_do_nothing_without_an_agent(self):
        done = subprocess.run([ONE, str(PROGRAMS / "marked.py"), str(support.ROOT / "python")], capture_output=True, text=True,
                              env=clean_environment())
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_a_storm_of_signals(self):
        for label, python in PYTHONS.items():
            with self.subTest(label):
                result = run(python, "signals.py")
                self.assertEqual((result["status"], result["lost"], result["unknown_frees"]), (0, 0, 0), result["stderr"])

    def test_a_program_without_python_is_left_alone(self):
        done = subprocess.run([str(PROBE), str(AGENT), "exact", "--", "/bin/ls", "/"], capture_output=True, text=True, timeout=30)
        result = json.loads(done.stdout)
        self.assertEqual((result["status"], result["processes"], result["events"]), (0, 0, 0))


class Ends(unittest.TestCase):
    def test_all_up_to_a_kill_of_the_program_is_kept(self):
        line = next(n for n, text in enumerate((PROGRAMS / "endless.py").read_text().splitlines(), 1) if "bytes(1967)" in text)
        for turn in range(40):
            with self.subTest(turn):
                with support.scratch() as folder:
                    said = folder / "said"
                    probe = subprocess.Popen(command(ONE, "endless.py", said), stdout=subprocess.PIPE, text=True,
                                             env=clean_environment())
                    end = time.monotonic() + 20
                    while not (said.exists() and said.read_text()) and time.monotonic() < end:
                        time.sleep(0.001)
                    time.sleep(0.002 * turn)
                    os.kill(child_of(probe), signal.SIGKILL)
                    out = probe.communicate(timeout=60)[0]
                    last = int(said.read_text())
                result = json.loads(out)
                self.assertEqual((result["status"], result["lost"]), (128 + 9, 0))
                made = sum(row["allocations"] for row in result["sums"]
                           if row["file"].endswith("/endless.py") and row["line"] == line and row["domain"] == "object")
                self.assertGreaterEqual(made, last)
                self.assertLessEqual(made, last + 200)

    def test_a_killed_collector_leaves_the_program_at_full_speed(self):
        for mode in ("exact", "sampled"):
            with self.subTest(mode):
                plain = subprocess.run([ONE, str(PROGRAMS / "steady.py"), "1"], capture_output=True, text=True, env=clean_environment())
                with support.scratch() as folder:
                    words = folder / "words"
                    with open(words, "w") as out:
                        probe = subprocess.Popen(command(ONE, "steady.py", 3, mode=mode), stdout=subprocess.DEVNULL,
                                                 stderr=out, env=clean_environment())
                    time.sleep(1)
                    child = child_of(probe)
                    probe.kill()
                    probe.wait()
                    end = time.monotonic() + 20
                    while pathlib.Path(f"/proc/{child}").exists() and time.monotonic() < end:
                        time.sleep(0.05)
                    self.assertFalse(pathlib.Path(f"/proc/{child}").exists(), "it still runs")
                    parts = [float(text) for text in words.read_text().split()]
                best = min(float(text) for text in plain.stderr.split())
                late = min(parts[-len(parts) // 3:])
                self.assertLess(late, best * 1.10, f"{late} s a part after the collector's death, {best} without an agent")

    def test_a_stopped_collector_holds_the_program_up_only_for_a_moment(self):
        probe = subprocess.Popen(command(ONE, "steady.py", 3), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                 env=clean_environment())
        time.sleep(0.7)
        probe.send_signal(signal.SIGSTOP)
        child = child_of(probe)
        end = time.monotonic() + 15
        while time.monotonic() < end and " Z " not in pathlib.Path(f"/proc/{child}/stat").read_text():
            time.sleep(0.05)
        self.assertIn(" Z ", pathlib.Path(f"/proc/{child}/stat").read_text(), "it waits for ever")
        probe.send_signal(signal.SIGCONT)
        out, words = probe.communicate(timeout=60)
        result = json.loads(out)
        self.assertEqual(result["status"], 0, words)
        self.assertGreater(result["lost"], 0)  # counted, not silent
        self.assertGreater(result["waits"], 0)


class Sampled(unittest.TestCase):
    TRUTH = {"forty_megabytes": (400000 * 100, 400000), "ten_megabytes": (20000 * 500, 20000)}
    EVERY = 16384

    def test_estimates_are_unbiased(self):
        for label, python in PYTHONS.items():
            with self.subTest(label):
                error = collections.Counter()
                for _ in range(3):
                    result = run_sampled(python, "churn.py", self.EVERY)
                    for name, (size, count) in self.TRUTH.items():
                        rows = [r for r in result["sums"] if r["function"] == name and r["file"].endswith("churn.py")]
                        error[name] += sum(r["allocated"] for r in rows) - size
                        each = size // count
                        estimate = sum(r["allocations"] for r in rows)
                        self.assertAlmostEqual(estimate * each, sum(r["allocated"] for r in rows), delta=size * 0.02)
                for name, (size, _) in self.TRUTH.items():
                    # The variance of an estimate is at most bytes times the distance of samples.
                    self.assertLess(abs(error[name]), 5 * (3 * size * self.EVERY) ** 0.5, name)

    def test_blocks_of_all_sizes_are_sampled_from_every_allocator(self):
        python = next((path for label, path in PYTHONS.items() if label.startswith("3.13")), ONE)
        for name in ("pymalloc", "malloc", "debug") + (("mimalloc",) if python != ONE else ()):
            with self.subTest(name):
                result = run_sampled(python, "known.py", 10000, PYTHONMALLOC=name)
                for line, (_, size, count) in expected_lines("known.py").items():
                    if size / count < 4096 or "mmap:" in (PROGRAMS / "known.py").read_text().splitlines()[line - 1]:
                        continue
                    made = by_line(result, "known.py")[line]["allocated"]
                    chance = 1 - math.exp(-size / count / 10000)
                    self.assertLess(abs(made - size), 6 * (size / count) * (count * (1 - chance) / chance) ** 0.5 + 400000,
                                    f"line {line}: {made} of {size}")

    def test_what_is_sampled_is_also_seen_to_go(self):
        result = run_sampled(ONE, "churn.py", self.EVERY)
        for row in result["sums"]:
            if row["function"] in self.TRUTH and row["file"].endswith("churn.py"):
                self.assertEqual((row["allocated"], row["allocations"]), (row["freed"], row["frees"]))
        self.assertEqual(result["unknown_frees"], 0)


class MachineCode(unittest.TestCase):
    # What the agent asks of libc: nothing that allocates, locks or prints.
    ALLOWED = {
        "__errno_location", "__register_atfork", "__tls_get_addr", "clock_gettime", "dlsym", "environ", "fstat", "getenv", "kill", "madvise",
        "memcmp", "memcpy", "strncmp", "memmove", "memset", "pthread_key_create", "pthread_setspecific", "strcmp", "strlen", "syscall", "sysconf",
        "__cxa_finalize", "__gmon_start__", "_ITM_deregisterTMCloneTable", "_ITM_registerTMCloneTable",
    }
    # Only when it is loaded into a program that runs already (rebind.c), and takes the loader's lock.
    REBINDING = {"dl_iterate_phdr", "strchr", "strstr"}
    HOT = {"malloc", "calloc", "realloc", "free", "mmap", "munmap"} | {
        f"{mode}_{domain}_{name}" for mode in ("exact", "sampled") for domain in ("obj", "mem")
        for name in ("malloc", "calloc", "realloc", "free")}

    def test_the_agent_asks_libc_for_nothing_that_allocates_locks_or_prints(self):
        listing = subprocess.run(["nm", "-D", "--undefined-only", str(AGENT)], capture_output=True, text=True, check=True).stdout
        asked = {line.split()[-1].split("@")[0] for line in listing.splitlines() if line.strip()}
        self.assertTrue(asked)
        self.assertEqual(asked - self.ALLOWED - self.REBINDING, set())

    def test_hot_paths_call_only_the_real_allocator_and_our_own(self):
        listing = subprocess.run(["objdump", "-d", "--no-show-raw-insn", str(AGENT)], capture_output=True, text=True, check=True).stdout
        calls, locked, current = collections.defaultdict(set), set(), None
        for text in listing.splitlines():
            head = re.match(r"[0-9a-f]+ <([^>]+)>:", text)
            if head:
                current = head.group(1)
                calls[current] = calls[current]
            # A bus lock, or a system call of its own making.
            if current and re.search(r"\b(lock |xchg\s.*\(|syscall$|sysenter$|int\s+\$0x80)", text):
                locked.add(current)
            call = re.search(r"\b(?:call|jmp)\s+[0-9a-f]+ <([^>+]+)", text)
            if call and current:
                calls[current].add(call.group(1))
        seen, todo = set(), [name for name in self.HOT if name in calls]
        self.assertGreaterEqual(len(todo), 16, sorted(calls))
        cold = re.compile(r"\.cold|_slow$|^agent_enter$|^agent_draw$|^agent_code_|^agent_watch_|^agent_python_poll$|^grow$|^walk_all|^new_node|^first_|^find_real|^early|^sampled_alloc$"
                          # Once for each change of threads; when events cannot be recorded.
                          r"|^agent_take_turn$|^agent_count_lost$|^agent_note_turn$")
        while todo:
            name = todo.pop()
            if name in seen or cold.search(name):
                continue
            seen.add(name)
            todo += calls[name]
        outside = {name for name in seen if name.endswith("@plt")}
        # memcpy of four or eight bytes is inlined; nothing of libc is left on the way.
        self.assertEqual(outside - {"__errno_location@plt", "sysconf@plt"}, set())
        self.assertIn("exact_obj_malloc", seen)
        self.assertIn("agent_stack_of_tstate", seen)
        self.assertTrue(locked, "the listing shows no lock at all: the pattern is wrong")
        self.assertEqual(locked & seen, set())


if __name__ == "__main__":
    support.say_missing()
    unittest.main(verbosity=1)
