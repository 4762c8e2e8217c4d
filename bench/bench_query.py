"""Questions about a profile of 10 million samples and 1 million stacks (bench/query.c)."""

import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main(release):
    folder = release.parent / "bench"
    configure = ["cmake", "-S", str(ROOT), "-B", str(folder), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"]
    for command in (configure, ["cmake", "--build", str(folder), "--target", "bench_query"]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            print("not run: " + (done.stderr.strip() or done.stdout.strip()).splitlines()[-1])
            return
    subprocess.run([str(folder / "tests/unit/query/bench_query")], check=True)
