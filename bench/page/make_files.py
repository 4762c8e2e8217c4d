"""Writes what the page is measured on, each file once: `make_files.py FOLDER PYTHON`."""

import json
import marshal
import pathlib
import random
import subprocess
import sys

# Test modules of CPython itself under cProfile.
SMALL = ["test_typing", "test_dataclasses", "test_json", "test_argparse", "test_email"]
COPIES = 19940
RUN = """
import cProfile, sys, unittest
loader, suite = unittest.TestLoader(), unittest.TestSuite()
for name in sys.argv[2:]:
    try:
        suite.addTests(loader.loadTestsFromName("test." + name))
    except Exception:
        pass
profile = cProfile.Profile()
try:
    profile.runcall(unittest.TextTestRunner(stream=open("/dev/null", "w")).run, suite)
finally:
    profile.dump_stats(sys.argv[1])
"""


def profile_of(python, path, modules):
    subprocess.run([python, "-c", RUN, str(path), *modules], capture_output=True, timeout=900, cwd=path.parent)
    return path.exists()


def copies_of(small, path):
    """The small one several times beside itself, its files renamed, up to some 20,000 functions."""
    if not small.exists():
        return
    whole = marshal.loads(small.read_bytes())
    made = {}
    for n in range(max(1, round(COPIES / len(whole)))):
        place = {key: (f"/copy{n}{key[0]}" if key[0] != "~" else key[0], key[1], f"{key[2]} {n}" if key[0] == "~" else key[2]) for key in whole}
        for key, (primitive, calls, own, total, callers) in whole.items():
            made[place[key]] = (primitive, calls, own, total, {place.get(c, c): v for c, v in callers.items()})
    path.write_bytes(marshal.dumps(made))


def walk(seed, steps, shallow, deep, back, names):
    """Stacks as a program visits them: each goes some frames up from the last one, then down."""
    rng = random.Random(seed)
    stack = [0]
    for _ in range(steps):
        for _ in range(rng.randint(1, back)):
            if len(stack) > shallow:
                stack.pop()
        for _ in range(rng.randint(1, back)):
            if len(stack) < deep:
                stack.append((stack[-1] * 7 + rng.randint(1, 97)) % names)
        yield stack


def folded(path, stacks):
    """`stacks` distinct ones, some 2.4 nodes each."""
    seen = set()
    with open(path, "w") as out:
        for stack in walk(11, stacks * 3, 6, 16, 4, 20000):
            line = ";".join(f"module_{f % 300}.function_{f}" for f in stack)
            if line in seen:
                continue
            seen.add(line)
            out.write(f"{line} {1 + len(line) % 7}\n")
            if len(seen) == stacks:
                break
    print(f"{path.name}: {len(seen)} stacks")


def timed(path, samples):
    frames = [{"name": f"function_{i}", "file": f"/srv/app/package{i % 60}/part{i % 400}.py", "line": i % 900 + 1} for i in range(10000)]
    with open(path, "w") as out:
        head = {"type": "sampled", "name": "main", "unit": "milliseconds", "startValue": 0, "endValue": samples}
        out.write('{"$schema":"https://www.speedscope.app/file-format-schema.json","shared":' + json.dumps({"frames": frames}) + ',"profiles":[')
        out.write(json.dumps(head)[:-1] + ',"samples":[')
        for i, stack in enumerate(walk(7, samples, 2, 24, 4, 10000)):
            out.write("," * (i > 0) + "[" + ",".join(map(str, stack)) + "]")
        out.write('],"weights":[' + ",".join(["1"] * samples) + "]}]}")


def day(path):
    """A day at 10 Hz of a program and two children, as mprof writes it."""
    rng = random.Random(3)
    memory = [120.0, 60.0, 30.0]
    with open(path, "w") as out:
        out.write("CMDLINE python3 server.py\n")
        for i in range(864000):
            t = 1700000000 + i / 10
            memory = [max(10.0, m + rng.uniform(-1, 1.0002)) for m in memory]
            out.write(f"MEM {memory[0]:.6f} {t:.4f}\nCHLD 1 {memory[1]:.6f} {t:.4f}\nCHLD 2 {memory[2]:.6f} {t:.4f}\n")


def main():
    folder, python = pathlib.Path(sys.argv[1]), sys.argv[2]
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "small.prof": lambda p: profile_of(python, p, SMALL),
        "large.prof": lambda p: copies_of(folder / "small.prof", p),
        "stacks.folded": lambda p: folded(p, 1_000_000),
        "time.speedscope.json": lambda p: timed(p, 1_000_000),
        "day.mprof": day,
    }
    for name, make in made.items():
        if not (folder / name).exists():
            print(f"making {name}", flush=True)
            make(folder / name)


if __name__ == "__main__":
    main()
