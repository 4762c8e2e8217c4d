"""How fast the page is beside SnakeViz and speedscope, on the same files in the same run: time from navigation
to the complete picture, frames a second under zoom and pan, search, the renderer's memory.

SnakeViz comes from the package index, speedscope from npm, both into build/; neither is part of the program. What
cannot be had here is said and left out. BENCH_PYTHON names a Python that has CPython's own tests (for the cProfile
files), BENCH_ROUNDS the openings of each page, BENCH_ONLY one of callgraph, time, stacks, day.
"""

import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
SNAKEVIZ = "snakeviz==2.2.2"
SPEEDSCOPE = "speedscope@1.25.0"


def snakeviz_in(build):
    folder = build / "bench-page-venv"
    python = folder / "bin" / "python3"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    if subprocess.run([str(python), "-c", "import snakeviz"], capture_output=True).returncode != 0:
        done = subprocess.run([str(python), "-m", "pip", "install", "-q", SNAKEVIZ], capture_output=True)
        if done.returncode != 0:
            print("SKIP: SnakeViz cannot be installed here", flush=True)
            return ""
    return str(python)


def speedscope_in(build):
    folder = build / "bench-page-npm"
    release = folder / "node_modules" / "speedscope" / "dist" / "release"
    if not release.exists() and shutil.which("npm"):
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--prefix", str(folder), "--silent", "--no-audit", "--no-fund", SPEEDSCOPE], capture_output=True)
    if not release.exists():
        print("SKIP: speedscope cannot be installed here", flush=True)
        return ""
    return str(release)


def main(release):
    build = ROOT / "build"
    files = build / "bench-page"
    python = os.environ.get("BENCH_PYTHON", sys.executable)
    subprocess.run([sys.executable, str(HERE / "page" / "make_files.py"), str(files), python], check=True)
    if not (ROOT / "tests/browser/node_modules").exists():
        subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=ROOT / "tests/browser", check=True)
    command = ["node", str(HERE / "page" / "page.mjs"), "--heliograph", str(release / "heliograph"), "--files", str(files)]
    command += ["--snakeviz", snakeviz_in(build), "--speedscope", speedscope_in(build)]
    command += ["--rounds", os.environ.get("BENCH_ROUNDS", "3"), "--only", os.environ.get("BENCH_ONLY", "")]
    subprocess.run(command, check=True)
