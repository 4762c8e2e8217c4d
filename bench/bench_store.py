"""The store's cost: batches and samples acknowledged per second, reading back (bench/store.c).

The program shares its made-up sessions with the tests, so it gets a build folder of its own beside the
release. The files it writes are in TMPDIR: set it to measure another disk.
"""

import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main(release):
    folder = release.parent / "bench"
    configure = ["cmake", "-S", str(ROOT), "-B", str(folder), "-G", "Ninja",
                 "-DCMAKE_BUILD_TYPE=RelWithDebInfo"]
    build = ["cmake", "--build", str(folder), "--target", "bench_store"]
    for command in (configure, build):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            print("not run: " + (done.stderr.strip() or done.stdout.strip()).splitlines()[-1])
            return
    subprocess.run([str(folder / "tests/unit/store/bench_store")], check=True)
