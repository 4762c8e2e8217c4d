"""Totals of allocations beside what other tools say of the same program: tracemalloc's get_traced_memory, memray's
records, NumPy's sizes. memray and NumPy are taken from `make bench-memory`'s environment, or from that in
HELIOGRAPH_TOOLS_PYTHON."""

import collections
import json
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import support
import test_memory as memory

TOOLS = os.environ.get("HELIOGRAPH_TOOLS_PYTHON", str(support.ROOT / "build/bench-memory-venv/bin/python3"))

# Run by the tools' Python: {line: [bytes, blocks]} that memray counted at the lines of one program, by Python's
# own allocators.
READ = """
import collections, json, memray, sys
found = collections.defaultdict(lambda: [0, 0])
for record in memray.FileReader(sys.argv[1]).get_allocation_records():
    name = memray.AllocatorType(record.allocator).name
    if record.size and name in ("PYMALLOC_MALLOC", "PYMALLOC_CALLOC", "PYMALLOC_REALLOC"):
        stack = record.stack_trace()
        if stack and stack[0][1].endswith("known.py"):
            found[stack[0][2]][0] += record.size
            found[stack[0][2]][1] += record.n_allocations
print(json.dumps(found))
"""


def needs(module):
    done = subprocess.run([TOOLS, "-c", f"import {module}"], capture_output=True) if pathlib.Path(TOOLS).exists() else None
    return unittest.skipIf(done is None or done.returncode, f"there is no {module}: run `make bench-memory` once, or name "
                                                            "a Python that has it in HELIOGRAPH_TOOLS_PYTHON")


def under(result, function, program):
    """{domain: counter} of all that was allocated with `function` on the stack."""
    found = collections.defaultdict(collections.Counter)
    for row in result["sums"]:
        if function in row["path"].split(";"):
            for key in ("allocated", "allocations", "freed", "frees"):
                found[row["domain"]][key] += row[key]
    return found


class Totals(unittest.TestCase):
    def test_as_many_bytes_more_as_tracemalloc_says(self):
        for label, python in memory.PYTHONS.items():
            with self.subTest(label), support.scratch() as folder:
                result = memory.run(python, "totals.py", folder / "traced.json", options=("--paths",))
                before, after = json.loads((folder / "traced.json").read_text())
                ours = under(result, "work", "totals.py")["object"]
                # The first answer itself is there at the second.
                source = (memory.PROGRAMS / "totals.py").read_text().splitlines()
                line = next(n for n, text in enumerate(source, 1) if text.startswith("before ="))
                ours.update(memory.by_line(result, "totals.py", "object")[line])
                self.assertEqual(result["lost"], 0)
                self.assertGreater(after - before, 1000000)
                self.assertEqual(ours["allocated"] - ours["freed"], after - before)

    @needs("memray")
    def test_the_same_bytes_and_blocks_as_memray(self):
        with support.scratch() as folder:
            capture = folder / "capture"
            subprocess.run([TOOLS, "-m", "memray", "run", "-q", "--trace-python-allocators", "-o", str(capture),
                            str(memory.PROGRAMS / "known.py")], check=True, capture_output=True, env=memory.clean_environment())
            said = subprocess.run([TOOLS, "-c", READ, str(capture)], check=True, capture_output=True, text=True)
        theirs = {int(line): made for line, made in json.loads(said.stdout).items()}
        ours = memory.by_line(memory.run(TOOLS, "known.py"), "known.py", "object")
        # Python's own objects: memray does not see what ctypes calls, and of mmap it counts the bytes asked for.
        lines = [line for line, (domain, *_) in memory.expected_lines("known.py").items() if domain == "object"]
        self.assertEqual(len(lines), 3)
        for line in lines:
            self.assertEqual([ours[line]["allocated"], ours[line]["allocations"]], theirs[line], f"line {line}")

    @needs("numpy")
    def test_numpy_arrays_count_with_their_bytes(self):
        result = memory.run(TOOLS, "arrays.py", options=("--paths",))
        made = under(result, "arrays", "arrays.py")["malloc"]
        # Beside its 80,000 bytes of data an array may need some for its shape.
        self.assertGreaterEqual(made["allocated"], 100 * 80000)
        self.assertLess(made["allocated"], 100 * (80000 + 64))
        self.assertGreaterEqual(made["freed"], 50 * 80000)
        self.assertLess(made["freed"], 50 * (80000 + 64))


if __name__ == "__main__":
    support.say_missing()
    unittest.main(verbosity=1)
