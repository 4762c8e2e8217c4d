"""The wire's cost: bytes a sample, MB/s of encoding and decoding, beside protobuf-c (bench/wire.c).

The program needs the generated code that only a build with tests has, so it gets a build folder of
its own beside the release.
"""

import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main(release):
    folder = release.parent / "bench"
    configure = ["cmake", "-S", str(ROOT), "-B", str(folder), "-G", "Ninja",
                 "-DCMAKE_BUILD_TYPE=RelWithDebInfo"]
    build = ["cmake", "--build", str(folder), "--target", "bench_wire"]
    for command in (configure, build):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            print("not run: " + (done.stderr.strip() or done.stdout.strip()).splitlines()[-1])
            return
    subprocess.run([str(folder / "tests/unit/wire/bench_wire")], check=True)
