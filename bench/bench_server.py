"""The server under load (bench/server_load): many collectors and viewers and uploads at once, then as
many samples as it takes, without and with rules that judge each of them.

BENCH_COLLECTORS, BENCH_VIEWERS, BENCH_UPLOADS and BENCH_SECONDS change the numbers. The load comes from
the same machine: what it takes of the processors the server does not have.
"""

import concurrent.futures
import json
import os
import pathlib
import random
import re
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLLECTORS = int(os.environ.get("BENCH_COLLECTORS", "500"))
VIEWERS = int(os.environ.get("BENCH_VIEWERS", "128"))
UPLOADS = int(os.environ.get("BENCH_UPLOADS", "20"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "20"))


def build(release):
    folder = release.parent / "bench"
    configure = ["cmake", "-S", str(ROOT), "-B", str(folder), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"]
    for command in (configure, ["cmake", "--build", str(folder), "--target", "bench_server_load"]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError((done.stderr.strip() or done.stdout.strip()).splitlines()[-1])
    return folder / "bench/bench_server_load"


class Server:
    def __init__(self, release, folder):
        self.process = subprocess.Popen(
            [str(release / "heliograph"), "serve", "--listen", "127.0.0.1:0", "--store", str(folder / "bench.db"),
             "--max-collectors", str(COLLECTORS + 16), "--max-viewers", str(VIEWERS + 16)],
            stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        self.url = re.search(r"http://[^ ]+", line).group(0)

    def port(self):
        return self.url.rsplit(":", 1)[1].rstrip("/")

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return {name: int(re.search(name + r":\s+(\d+)", text).group(1)) / 1024 for name in ("VmHWM", "VmRSS")}

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def made_profile(number):
    """A collapsed file of 40,000 lines, about 4 MB."""
    pick = random.Random(number)
    lines = []
    for _ in range(40000):
        names = (f"package.module_{pick.randrange(40)}.function_{pick.randrange(200)}" for _ in range(pick.randrange(3, 12)))
        lines.append(";".join(names) + f" {pick.randrange(1, 50)}")
    return "\n".join(lines).encode()


def upload(url, body, number):
    request = urllib.request.Request(f"{url}/api/v1/profiles?name=load-{number}.txt", data=body, method="POST",
                                     headers={"Content-Type": "application/octet-stream"})
    began = time.monotonic()
    with urllib.request.urlopen(request, timeout=120) as answer:
        answer.read()
    return time.monotonic() - began


def make_rules(url):
    """One of each kind that looks at every batch; shares are the costly ones."""
    for rule in ({"kind": "rss", "bound": 1 << 40}, {"kind": "growth", "bound": 1 << 40}, {"kind": "share", "bound": 0.9},
                 {"kind": "share", "bound": 0.9, "function": "module.function_1"}):
        request = urllib.request.Request(f"{url}/api/v1/rules", data=json.dumps({"name": "load", **rule}).encode(), method="POST",
                                         headers={"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=20).close()


def run_load(program, server, collectors, viewers, seconds, rate, window, rows, uploads=0):
    bodies = [made_profile(i) for i in range(uploads)]
    before = server.cpu_s()
    command = [str(program), server.port(), *map(str, (collectors, viewers, seconds, rate, window, rows))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
        time.sleep(6)
        with concurrent.futures.ThreadPoolExecutor(max(uploads, 1)) as pool:
            took = sorted(pool.map(lambda i: upload(server.url, bodies[i], i), range(uploads)))
        text, _ = load.communicate()
    result = json.loads(text)
    result["server_cpu"] = (server.cpu_s() - before) / (result["seconds"] + 5)
    result["uploads"] = took
    return result


def say(result, memory):
    print(f"  acknowledged    {result['samples'] / result['seconds'] / 1e3:12,.0f} thousand samples/s in {result['acks']['count'] / result['seconds']:,.0f} batches/s")
    print(f"  ack             {result['acks']['p50_ms']:12.1f} ms median {result['acks']['p99_ms']:9.1f} ms p99 {result['acks']['max_ms']:9.1f} ms longest")
    if result["flames"]["count"]:
        print(f"  flame query     {result['flames']['p50_ms']:12.1f} ms median {result['flames']['p99_ms']:9.1f} ms p99 {result['flames']['max_ms']:9.1f} ms longest"
              f"  ({result['flames']['count'] / result['seconds']:,.0f}/s; {result['updates'] / result['seconds']:,.0f} live updates/s)")
    if result["uploads"]:
        print(f"  upload of 4 MB  {result['uploads'][len(result['uploads']) // 2]:12.2f} s median {result['uploads'][-1]:10.2f} s longest of {len(result['uploads'])} at once")
    print(f"  lost            {result['lost_collectors']} collectors, {result['lost_viewers']} viewers, {result['failed_answers']} answers")
    print(f"  server          {100 * result['server_cpu']:12.0f} % of a core, {memory['VmHWM']:,.0f} MB at most ({memory['VmRSS']:,.0f} MB at the end);"
          f" the load itself took {result['own_cpu_s']:.1f} s of CPU")
    print(f"                  {1e6 * result['server_cpu'] * result['seconds'] / max(result['samples'], 1):12.3f} s of CPU for a million samples")


def main(release):
    try:
        program = build(release)
    except RuntimeError as error:
        print(f"not run: {error}")
        return
    fast = (8, 0, SECONDS, 0, 4, 8000, 0)
    for title, has_rules, numbers in (
            (f"{COLLECTORS} collectors of 8 threads at 100 Hz, {VIEWERS} viewers, {UPLOADS} uploads", False, (COLLECTORS, VIEWERS, SECONDS, 100, 1, 0, UPLOADS)),
            ("8 collectors as fast as acknowledged (4 batches of 8,000 samples under way each)", False, fast),
            ("the same with four rules: memory, growth, any function's share, one function's", True, fast)):
        with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
            server = Server(release, pathlib.Path(name))
            try:
                print(title, flush=True)
                if has_rules:
                    make_rules(server.url)
                say(run_load(program, server, *numbers), server.memory())
            finally:
                server.stop()
