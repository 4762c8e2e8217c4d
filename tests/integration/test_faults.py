"""What happens to machines: full disks, slow disks, clocks that are set, networks that are cut. Each time
what a collector saw is compared with what the server has in the end."""

import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from support import HELIOGRAPH, Server, environment, get_json, scratch, wait_for  # noqa: E402

# Built with the tests, without their sanitizers.
SHIM = pathlib.Path(os.environ.get("HELIOGRAPH_DEV", HERE.parent.parent / "build/dev")) / "tests/integration/fault_shim.so"
BUSY = ("import sys, time\n"
        "def down(n):\n"
        "    return sum(range(50)) if n == 0 else down(n - 1)\n"
        "end = time.monotonic() + float(sys.argv[1])\n"
        "n = 0\n"
        "while time.monotonic() < end:\n"
        "    n += 1\n"
        "    down(n % 60)\n")


def tried(*command):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


class Watched:
    """A program under `heliograph run --server`, and what its collector says at the end."""

    def __init__(self, folder, url, seconds, *options, prefix=(), env=None):
        self.errors = open(folder / "run.err", "w+")
        self.command = [*prefix, HELIOGRAPH, "run", "--no-open", "--memory", "off", "--rate", "500", "--server", url, *options,
                        "--", sys.executable, "-c", BUSY, str(seconds)]
        self.process = subprocess.Popen(self.command, env={**environment(folder), **(env or {})}, stderr=self.errors,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def words(self):
        return pathlib.Path(self.errors.name).read_text(errors="replace")

    def id(self):
        return wait_for(lambda: re.search(r"/p/([a-z2-7]{16})", self.words()), what="a page").group(1)

    def samples(self):
        """Those that were taken, once it has ended."""
        if self.process.wait(90) != 0:
            raise AssertionError(self.words())
        return int(re.search(r"(\d+) samples", self.words()).group(1))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        self.errors.close()


class Faults(unittest.TestCase):
    def same(self, watched, api):
        """Nothing is missing, nothing is there twice."""
        taken = watched.samples()
        profile = wait_for(lambda: (lambda p: p if p["state"] == "complete" else None)(get_json(api)), what="the end")
        self.assertEqual(profile["counters"].get("dropped_batches", 0), 0, profile["counters"])
        self.assertEqual(profile["counters"].get("dropped", 0), 0, profile["counters"])
        self.assertEqual(profile["counters"]["samples"], taken)
        stored = max(v["samples"] for v in profile["values"] if v["set"] == "cpu")
        self.assertEqual(stored, taken, "rows in the store")
        self.assertGreater(taken, 100)

    @contextlib.contextmanager
    def small_disk(self, folder, size):
        where = folder / "disk"
        where.mkdir()
        if not tried("mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "heliograph-test", str(where)):
            self.skipTest("SKIPPED: no small disk can be mounted here (needs CAP_SYS_ADMIN)")
        try:
            yield where
        finally:
            subprocess.run(["umount", "-l", str(where)], check=True)

    def test_a_full_disk_stops_the_acks_and_loses_nothing(self):
        with scratch() as folder, self.small_disk(folder, "32m") as disk:
            with Server(folder, "--listen", "127.0.0.1:0", "--store", disk / "h.db") as server:
                with Watched(folder, server.url(), 8) as watched:
                    api = f"{server.url()}/api/v1/profiles/{watched.id()}"
                    wait_for(lambda: get_json(api)["counters"].get("samples", 0) > 50, what="samples")
                    filler = disk / "filler"
                    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as out:
                        while True:
                            out.write(bytes(4096))
                    wait_for(lambda: "full" in server.words() or "full" in watched.words(), what="a word about the disk")
                    # Who looks is not disturbed.
                    self.assertGreater(get_json(api)["counters"]["samples"], 50)
                    filler.unlink()
                    self.same(watched, api)

    def test_a_disk_that_says_it_is_full_loses_nothing_either(self):
        """The same without a disk of its own: for machines where none can be mounted."""
        with scratch() as folder:
            full = folder / "full"
            with Server(folder, "--listen", "127.0.0.1:0", env={**self.shim(), "FAULT_FULL_FILE": str(full)}) as server:
                with Watched(folder, server.url(), 8) as watched:
                    api = f"{server.url()}/api/v1/profiles/{watched.id()}"
                    wait_for(lambda: get_json(api)["counters"].get("samples", 0) > 50, what="samples")
                    full.touch()
                    wait_for(lambda: "full" in server.words() or "full" in watched.words(), what="a word about the disk")
                    self.assertGreater(get_json(api)["counters"]["samples"], 50)
                    full.unlink()
                    self.same(watched, api)

    def shim(self):
        if not SHIM.exists():
            self.skipTest(f"SKIPPED: {SHIM.name} is not built")
        return {"LD_PRELOAD": str(SHIM)}

    def test_a_slow_disk_delays_acks_and_nobody_who_looks(self):
        with scratch() as folder:
            slow = {**self.shim(), "FAULT_SYNC_MS": "400"}
            with Server(folder, "--listen", "127.0.0.1:0", env=slow) as server, Watched(folder, server.url(), 5) as watched:
                api = f"{server.url()}/api/v1/profiles/{watched.id()}"
                wait_for(lambda: get_json(api)["counters"].get("samples", 0) > 50, what="samples")
                answers = 0
                while watched.process.poll() is None:
                    get_json(api + "/table")
                    answers += 1
                self.assertGreater(answers, 20, "more answers than there were syncs: they do not wait for each other")
                self.same(watched, api)

    def test_a_clock_that_is_set_does_not_move_a_session(self):
        for jump in (-86400, 86400):
            with self.subTest(jump=jump), scratch() as folder:
                clock = folder / "clock"
                env = {**self.shim(), "FAULT_CLOCK_FILE": str(clock)}
                with Server(folder, "--listen", "127.0.0.1:0", env=env) as server:
                    with Watched(folder, server.url(), 4) as watched:
                        api = f"{server.url()}/api/v1/profiles/{watched.id()}"
                        wait_for(lambda: get_json(api)["counters"].get("samples", 0) > 50, what="samples")
                        clock.write_text(str(jump))
                        self.same(watched, api)
                        self.assertLess(get_json(api)["duration_s"], 60)

    def test_a_cut_network_is_made_good_when_it_is_back(self):
        names = [f"hg{os.getpid() % 10000}{c}" for c in "sc"]
        made = all(tried("ip", "netns", "add", n) for n in names)
        try:
            inside = ["ip", "netns", "exec"]
            made = made and tried("ip", "link", "add", names[0], "netns", names[0], "type", "veth", "peer", "name", names[1], "netns", names[1])
            for n, address in zip(names, ("10.77.0.1/24", "10.77.0.2/24")):
                made = made and tried(*inside, n, "ip", "address", "add", address, "dev", n) and all(tried(*inside, n, "ip", "link", "set", link, "up") for link in ("lo", n))
            if not made:
                self.skipTest("SKIPPED: no network namespaces can be made here (needs CAP_SYS_ADMIN and iproute2)")
            token = "only-for-this-test-0123"
            with scratch() as folder, socket_in(folder, [*inside, names[0]], token) as url:
                with Watched(folder, url, 10, "--token", token, prefix=[*inside, names[1]]) as watched:
                    profile = watched.id()
                    def look():
                        done = subprocess.run([*inside, names[0], sys.executable, "-c",
                                               "import sys, urllib.request as r\n"
                                               f"print(r.urlopen(r.Request('{url}/api/v1/profiles/{profile}', "
                                               f"headers={{'Authorization': 'Bearer {token}'}})).read().decode())"],
                                              capture_output=True, text=True, check=True)
                        return json.loads(done.stdout)
                    wait_for(lambda: look()["counters"].get("samples", 0) > 50, what="samples")
                    self.assertTrue(tried(*inside, names[0], "ip", "link", "set", names[0], "down"))
                    time.sleep(3)
                    self.assertTrue(tried(*inside, names[0], "ip", "link", "set", names[0], "up"))
                    taken = watched.samples()
                    end = wait_for(lambda: (lambda p: p if p["state"] == "complete" else None)(look()), what="the end")
                    self.assertEqual(end["counters"].get("dropped_batches", 0), 0)
                    self.assertEqual(max(v["samples"] for v in end["values"] if v["set"] == "cpu"), taken)
        finally:
            for n in names:
                subprocess.run(["ip", "netns", "del", n], stderr=subprocess.DEVNULL)

    def test_a_slow_network_delays_and_breaks_nothing(self):
        with scratch() as folder, Server(folder, "--listen", "127.0.0.1:0") as server:
            with SlowProxy(int(server.url().rsplit(":", 1)[1]), 0.3) as proxy:
                # The server knows no name but its own: the proxy says it in its stead.
                with Watched(folder, f"http://127.0.0.1:{proxy.port}", 5) as watched:
                    api = f"{server.url()}/api/v1/profiles/{watched.id()}"
                    self.same(watched, api)

    def test_a_way_that_falls_silent_and_then_breaks_loses_nothing(self):
        """Without a network of its own: bytes that stay on the way, then connections that end and are refused."""
        with scratch() as folder, Server(folder, "--listen", "127.0.0.1:0") as server:
            with SlowProxy(int(server.url().rsplit(":", 1)[1]), 0) as proxy:
                with Watched(folder, f"http://127.0.0.1:{proxy.port}", 10) as watched:
                    api = f"{server.url()}/api/v1/profiles/{watched.id()}"
                    wait_for(lambda: get_json(api)["counters"].get("samples", 0) > 50, what="samples")
                    before = proxy.connections
                    proxy.is_passing.clear()
                    time.sleep(2)
                    proxy.is_passing.set()
                    proxy.cut()
                    time.sleep(2)
                    proxy.mend()
                    self.same(watched, api)
                    self.assertGreater(proxy.connections, before, "it came back")


@contextlib.contextmanager
def socket_in(folder, prefix, token):
    """A server in a network namespace; its address."""
    secret = folder / "token"
    secret.write_text(token)
    secret.chmod(0o600)
    errors = open(folder / "serve.err", "w+")
    process = subprocess.Popen([*prefix, HELIOGRAPH, "serve", "--listen", "10.77.0.1:7700", "--token-file", str(secret)],
                               env=environment(folder), stderr=errors, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: "serving at" in pathlib.Path(errors.name).read_text(), what="the server")
        yield "http://10.77.0.1:7700"
    finally:
        process.terminate()
        process.wait(30)
        errors.close()


class SlowProxy:
    """Hands bytes on in both directions, each piece a while later."""

    def __init__(self, to, delay_s):
        self.to, self.delay_s = to, delay_s
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.is_passing = threading.Event()
        self.is_passing.set()
        self.open, self.is_cut, self.connections = [], False, 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listening.accept()
                if self.is_cut:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self.to))
                self.open += [near, far]
                self.connections += 1
                for a, b, is_request in ((near, far, True), (far, near, False)):
                    threading.Thread(target=self.carry, args=(a, b, is_request), daemon=True).start()

    def carry(self, source, target, is_request):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if is_request:
                    data = data.replace(b"127.0.0.1:%d" % self.port, b"127.0.0.1:%d" % self.to)
                time.sleep(self.delay_s)
                self.is_passing.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def cut(self):
        """Ends every connection, and each new one at once."""
        self.is_cut = True
        while self.open:
            with contextlib.suppress(OSError):
                self.open.pop().shutdown(socket.SHUT_RDWR)

    def mend(self):
        self.is_cut = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listening.close()


if __name__ == "__main__":
    unittest.main()
