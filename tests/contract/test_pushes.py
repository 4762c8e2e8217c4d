"""Programs that profile themselves: Pyroscope's SDKs and OpenTelemetry; and the pull of a watched one."""

import gzip
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import wire
from served import Server, WebSocket
from test_sockets import Collector, new_session

OCTETS = {"Content-Type": "binary/octet-stream"}


def pprof(functions, unit="nanoseconds", kind="cpu", start_ns=0, packed=True):
    """A pprof file: {(outer, inner): value}."""
    strings = ["", kind, unit]
    names = sorted({name for stack in functions for name in stack})
    at = {name: len(strings) + i for i, name in enumerate(names)}
    strings += names
    body = wire.chunk(1, wire.number(1, 1) + wire.number(2, 2))
    for stack, value in functions.items():
        ids = [1 + names.index(name) for name in reversed(stack)]
        body += wire.chunk(2, wire.packed(1, ids) + wire.packed(2, [value]))
    for i, name in enumerate(names, 1):
        body += wire.chunk(4, wire.number(1, i) + wire.chunk(4, wire.number(1, i) + wire.number(2, 7)))
        body += wire.chunk(5, wire.number(1, i) + wire.number(2, at[name]))
    body += b"".join(wire.chunk(6, s) for s in strings)
    if start_ns:
        body += wire.number(9, start_ns)
    return gzip.compress(body) if packed else body


def push_request(labels, profiles):
    series = b"".join(wire.chunk(1, wire.chunk(1, k) + wire.chunk(2, v)) for k, v in labels.items())
    return wire.chunk(1, series + b"".join(wire.chunk(2, wire.chunk(1, p) + wire.chunk(2, "id")) for p in profiles))


def fixed64(field, value):
    return wire.varint(field << 3 | 1) + struct.pack("<Q", value)


def export_request(service, stacks, start_ns, timestamps=(), strindex=False):
    """ExportProfilesServiceRequest of one resource: {(outer, inner): value}."""
    names = sorted({name for stack in stacks for name in stack})
    strings = ["", "cpu", "nanoseconds", "app.py", service, "service.name", *names]
    dictionary = wire.chunk(1, b"") + wire.chunk(2, b"") + wire.chunk(3, b"") + wire.chunk(7, b"")
    for i, name in enumerate(names, 1):
        dictionary += wire.chunk(3, wire.number(1, 6 + i - 1) + wire.number(3, 3) + wire.number(4, 10))
        dictionary += wire.chunk(2, wire.chunk(3, wire.number(1, i) + wire.number(2, 20 + i)))
    dictionary += b"".join(wire.chunk(5, s) for s in strings)
    samples = b""
    for row, (stack, value) in enumerate(stacks.items(), 1):
        dictionary += wire.chunk(7, wire.packed(1, [1 + names.index(name) for name in reversed(stack)]))
        samples += wire.chunk(2, wire.number(1, row) + wire.packed(4, [value])
                              + (wire.chunk(5, b"".join(struct.pack("<Q", t) for t in timestamps)) if timestamps else b""))
    profile = wire.chunk(1, wire.number(1, 1) + wire.number(2, 2)) + samples + fixed64(3, start_ns) + wire.number(4, 10**9)
    key = wire.number(3, 5) + wire.chunk(2, wire.number(8, 4)) if strindex else wire.chunk(1, "service.name") + wire.chunk(2, wire.chunk(1, service))
    resource = wire.chunk(1, wire.chunk(1, key) + wire.chunk(1, wire.chunk(1, "region") + wire.chunk(2, wire.chunk(1, "eu"))))
    return wire.chunk(1, resource + wire.chunk(2, wire.chunk(2, profile))) + wire.chunk(2, dictionary)


class Pushes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def profile(self, name):
        rows = self.server.get("/api/v1/profiles?q=" + name).json()["profiles"]
        self.assertEqual(len(rows), 1, rows)
        return rows[0]

    def totals(self, row, query=""):
        columns = self.server.get(f"/api/v1/profiles/{row['id']}/table{query}").json()["columns"]
        return dict(zip(columns["name"], columns["total"]))

    def ingest(self, query, body, headers=OCTETS):
        return self.server.call("POST", "/ingest?" + query, body, headers)

    # ---- Pyroscope ----

    def test_pieces_of_one_program_become_one_live_profile(self):
        name = "name=shop.cpu%7Bregion%3Deu%2Cenv%3Dtest%7D&sampleRate=100&spyName=pyspy"
        first = self.ingest(name + "&from=1700000000&until=1700000010&format=pprof", pprof({("main", "work"): 70, ("main", "rest"): 30}))
        self.assertEqual((first.status, first.body), (200, b""))
        later = self.ingest(name + "&from=1700000010&until=1700000020&format=pprof", pprof({("main", "work"): 5, ("main", "new"): 1}))
        self.assertEqual(later.status, 200)
        row = self.profile("shop.cpu")
        self.assertEqual((row["state"], row["tags"]), ("live", {"region": "eu", "env": "test"}))
        self.assertEqual(self.totals(row), {"main": 106, "work": 75, "rest": 30, "new": 1})
        self.assertEqual(self.totals(row, "?from=9&to=11"), {"main": 6, "work": 5, "new": 1}, "each piece stands at its time")
        self.assertEqual(row["duration_s"], 10)

    def test_folded_lines_and_forms_are_read(self):
        self.assertEqual(self.ingest("name=folded.app", b"main;work 7\nmain;rest 3\n").status, 200)
        self.assertEqual(self.totals(self.profile("folded.app"))["work"], 7)
        self.assertEqual(self.ingest("name=lines.app&format=lines", b"main;work\nmain;work\nmain;rest").status, 200)
        self.assertEqual(self.totals(self.profile("lines.app")), {"main": 3, "work": 2, "rest": 1})
        form = b'--b\r\nContent-Disposition: form-data; name="sample_type_config"; filename="c.json"\r\n\r\n{}\r\n--b\r\n' \
               b'Content-Disposition: form-data; name="profile"; filename="profile.pprof"\r\n\r\n' + pprof({("a", "b"): 2}) + b"\r\n--b--\r\n"
        answer = self.ingest("name=form.app&format=pprof", form, {"Content-Type": "multipart/form-data; boundary=b"})
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(self.totals(self.profile("form.app")), {"a": 2, "b": 2})

    def test_what_the_sdks_of_today_send_is_taken(self):
        labels = {"__name__": "process_cpu", "service_name": "connect.app", "region": "eu"}
        body = gzip.compress(push_request(labels, [pprof({("m", "f"): 4}, start_ns=1_700_000_000 * 10**9)]))
        headers = {"Content-Type": "application/proto", "Content-Encoding": "gzip", "User-Agent": "pyroscope-rs/pyspy/1.4.0 reqwest"}
        answer = self.server.call("POST", "/push.v1.PusherService/Push", body, headers)
        self.assertEqual((answer.status, answer.headers["content-type"], answer.body), (200, "application/proto", b""))
        # Memory of the same program comes as another series and stands beside it.
        labels["__name__"] = "memory"
        body = push_request(labels, [pprof({("m", "g"): 9}, unit="bytes", kind="alloc_space", start_ns=1_700_000_001 * 10**9)])
        self.assertEqual(self.server.call("POST", "/push.v1.PusherService/Push", body, {"Content-Type": "application/proto"}).status, 200)
        row = self.profile("connect.app")
        self.assertEqual((row["producer"], row["tags"]), ("pyroscope-rs/pyspy/1.4.0 reqwest", {"region": "eu"}))
        values = self.server.get("/api/v1/profiles/" + row["id"]).json()["values"]
        self.assertEqual({(v["name"], v["unit"], v["total"]) for v in values}, {("cpu", "ns", 4), ("alloc_space", "bytes", 9)})

    def test_the_real_sdk_sends_here(self):
        python = os.environ.get("HELIOGRAPH_SDK_PYTHON", sys.executable)
        if subprocess.run([python, "-c", "import pyroscope"], capture_output=True).returncode:
            self.skipTest("pyroscope-io is not installed for " + python)
        code = ("import pyroscope, time\n"
                f"pyroscope.configure(application_name='real.sdk', server_address='{self.server.url}', tags={{'region': 'eu'}})\n"
                "def spin():\n    end = time.time() + 0.2\n    while time.time() < end: pass\n"
                "end = time.time() + 12\nwhile time.time() < end: spin()\npyroscope.shutdown()\n")
        subprocess.run([python, "-c", code], check=True, timeout=120)
        self.assertGreater(self.totals(self.profile("real.sdk"))["spin"], 10**9)

    def test_nonsense_is_refused_and_nothing_of_it_is_kept(self):
        before = len(self.server.get("/api/v1/profiles?limit=500").json()["profiles"])
        for query, body, status in (("", b"main 1", 400), ("name=", b"main 1", 400), ("name=x%7Ba%7D", b"main 1", 400), ("name=bad", b"\x00\xff", 422),
                                    ("name=bad&format=jfr", b"FLR\0", 422), ("name=bad&format=trie", b"x", 422), ("name=bad", b"", 422)):
            self.assertEqual(self.ingest(query, body).status, status, query)
        form = b'--b\r\nContent-Disposition: form-data; name="prev_profile"\r\n\r\nx\r\n--b--'
        self.assertEqual(self.ingest("name=bad", form, {"Content-Type": "multipart/form-data; boundary=b"}).status, 422)
        packed = {"Content-Type": "application/proto", "Content-Encoding": "gzip"}
        whole = gzip.compress(push_request({"service_name": "x"}, [b"main 1"]))
        for body, status in ((whole[:-9], 400), (b"\x1f\x8b\x08\x00", 400), (b"no gzip", 422)):
            self.assertEqual(self.server.call("POST", "/push.v1.PusherService/Push", body, packed).status, status)
        for path in ("/push.v1.PusherService/Push", "/v1development/profiles"):
            self.assertEqual(self.server.call("POST", path, b"{}", {"Content-Type": "application/json"}).status, 415)
            self.assertEqual(self.server.call("POST", path, b"x", {"Content-Type": "application/x-protobuf", "Content-Encoding": "br"}).status, 422)
        for body in (b"\xff" * 50, wire.chunk(1, b"\xff"), wire.chunk(2, b"\x0a\x7f")):
            self.assertIn(self.server.call("POST", "/v1development/profiles", body, {"Content-Type": "application/x-protobuf"}).status, (400, 422))
        after = self.server.get("/api/v1/profiles?limit=500").json()["profiles"]
        self.assertEqual(len(after), before)

    def test_what_unpacks_to_more_than_64_megabytes_is_refused(self):
        bomb = gzip.compress(bytes(1 << 24)) * 5
        headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
        self.assertEqual(self.server.call("POST", "/v1development/profiles", bomb, headers).status, 413)

    def test_pieces_are_counted_in_the_metrics(self):
        self.ingest("name=counted.app", b"main;work 7\n")
        text = self.server.get("/metrics").body.decode()
        self.assertGreater(float(re.search(r"^heliograph_push_pieces_total (\S+)$", text, re.M).group(1)), 0)
        self.assertGreater(float(re.search(r"^heliograph_push_programs (\S+)$", text, re.M).group(1)), 0)

    # ---- OpenTelemetry ----

    def test_otlp_profiles_are_taken(self):
        start = 1_700_000_000 * 10**9
        for i, strindex in enumerate((False, True)):
            body = export_request("otel.app", {("main", "work"): 8, ("main",): 2}, start + i * 10**9, strindex=strindex)
            packed = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
            answer = self.server.call("POST", "/v1development/profiles", gzip.compress(body), packed)
            self.assertEqual((answer.status, answer.headers["content-type"], answer.body), (200, "application/x-protobuf", b""), answer.body)
        row = self.profile("otel.app")
        self.assertEqual(self.totals(row), {"main": 20, "work": 16})
        self.assertEqual(self.totals(row, "?from=0.5"), {"main": 10, "work": 8})
        self.assertEqual(row["tags"], {"region": "eu"})
        columns = self.server.get(f"/api/v1/profiles/{row['id']}/table").json()["columns"]
        self.assertEqual(set(columns["file"]), {"app.py"})

    def test_otlp_samples_with_times_stand_at_their_times(self):
        start = 1_700_000_000 * 10**9
        body = export_request("times.app", {("main", "work"): 6}, start, timestamps=[start + 2 * 10**9])
        self.assertEqual(self.server.call("POST", "/v1development/profiles", body, {"Content-Type": "application/x-protobuf"}).status, 200)
        row = self.profile("times.app")
        self.assertEqual(self.totals(row, "?from=1.9&to=2.1"), {"main": 6, "work": 6})
        self.assertEqual(self.totals(row, "?to=1.9").get("work", 0), 0)

    def test_otlp_numbers_beyond_the_tables_are_refused(self):
        sample = wire.chunk(2, wire.number(1, 99) + wire.packed(4, [1]))
        body = wire.chunk(1, wire.chunk(2, wire.chunk(2, sample))) + wire.chunk(2, wire.chunk(5, ""))
        self.assertEqual(self.server.call("POST", "/v1development/profiles", body, {"Content-Type": "application/x-protobuf"}).status, 400)


class Pull(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_a_watched_program_is_asked_as_go_programs_are(self):
        self.assertEqual(self.server.get("/debug/pprof/profile?seconds=0").status, 404, "nobody is watched")
        collector = Collector(self.server, new_session())
        collector.reply()
        collector.send()
        self.assertIn(collector.session, self.server.get("/debug/pprof/").body.decode())
        whole = self.server.get("/debug/pprof/profile?seconds=0")
        self.assertEqual((whole.status, whole.body[:2]), (200, b"\x1f\x8b"))
        self.assertEqual(self.count(whole.body), 10)
        # Only what comes while the question waits.
        answers = []
        import threading
        asker = threading.Thread(target=lambda: answers.append(self.server.get("/debug/pprof/profile?seconds=2")))
        asker.start()
        time.sleep(0.7)
        collector.seq = 4
        collector.socket.send_binary(wire.more_samples(2, collector.functions, [(10**10 + i, "hot") for i in range(4)]))
        collector.reply()
        asker.join()
        self.assertEqual(self.count(answers[0].body), 4)
        self.assertEqual(self.server.get("/debug/pprof/heap").status, 404, "it is watched without memory")
        other = Collector(self.server, new_session())
        other.reply()
        self.assertEqual(self.server.get("/debug/pprof/profile?seconds=0").status, 400, "which?")
        self.assertEqual(self.server.get("/debug/pprof/profile?seconds=0&profile=" + collector.session).status, 200)
        for bad in ("seconds=x", "seconds=-1", "seconds=100000"):
            self.assertEqual(self.server.get("/debug/pprof/profile?" + bad).status, 400)
        collector.socket.close()
        other.socket.close()

    def test_go_tool_pprof_asks_for_itself(self):
        go = shutil.which("go", path=os.environ.get("PATH", "") + ":/usr/local/go/bin")
        if not go:
            self.skipTest("go is not installed (golang-go): go tool pprof was not tried")
        collector = Collector(self.server, new_session())
        collector.reply()
        collector.send()
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([go, "tool", "pprof", "-top", f"{self.server.url}/debug/pprof/profile?seconds=0&profile={collector.session}"], capture_output=True, text=True,
                                  timeout=120, env={**os.environ, "HOME": folder, "PPROF_TMPDIR": folder, "GOTOOLCHAIN": "local"})
        collector.socket.close()
        self.assertEqual(done.returncode, 0, done.stderr)
        flat = {row[5]: row[0] for row in (line.split() for line in done.stdout.splitlines()) if len(row) == 6}
        self.assertEqual((flat.get("hot"), flat.get("cold")), ("70ms", "30ms"), done.stdout)

    def count(self, packed):
        """Samples of a pprof file, by our own reader."""
        profile = self.server.upload(packed, "pulled").json()["id"]
        table = self.server.get(f"/api/v1/profiles/{profile}").json()
        return round(table["values"][0]["total"] / 10**7)


if __name__ == "__main__":
    unittest.main()
