"""Share links and scoped tokens: what they open, what they keep shut, and how they end."""

import gzip
import json
import os
import re
import sqlite3
import subprocess
import time
import unittest
import zlib

import wire
from served import Server, WebSocket, program, until_slowed
from test_sockets import Collector, new_session

TOKEN = "w5" * 24
FOLDED = b"main;work 7\nmain;rest 3\n"
# Each stands in another part of the profile; none may come out of a redacted share.
SECRETS = ["secretuser", "privatefolder", "secrethost", "hunter2", "tagsecret", "noticesecret", "sourcesecret", "spansecret", "namesecret",
           "modulesecret"]
QUESTIONS = ["", "/flame", "/flame?format=json", "/flame?invert=1", "/table", "/table?sort=name", "/callers?function=1", "/lines?function=1",
             "/lines?file=app.py", "/source?function=1", "/source?file=app.py", "/series", "/spans", "/activity", "/memory", "/leaks", "/stats", "/stats?top=0"]
FORMATS = ["heliograph", "folded", "speedscope", "pprof", "pstats", "json", "html", "svg", "chrome-trace", "mprof", "csv"]


def secret_session(server, session, token):
    """A live session with something to hide everywhere."""
    socket = WebSocket(server, "/api/v1/collect", origin=False)
    tag = wire.chunk(11, wire.chunk(1, "DB_PASSWORD") + wire.chunk(2, "tagsecret"))
    hello = (wire.number(1, 1) + wire.chunk(2, session) + wire.chunk(3, token) + wire.chunk(4, "namesecret app")
             + wire.chunk(5, "secrethost.example") + wire.number(6, 4242) + wire.chunk(7, "python3") + wire.chunk(7, "--password=hunter2")
             + wire.chunk(8, "CPython 3.12.1") + wire.number(9, 1_700_000_000_000_000_000) + wire.chunk(10, "contract 1") + tag)
    socket.send_binary(wire.chunk(1, hello))
    socket.receive()
    names = ["main", "hot (/home/secretuser/a.py)", "on secrethost", "get https://spansecret.example/x?k=1"]
    strings = [*names, "/home/secretuser/privatefolder/app.py", "/opt/modulesecret/lib.so", "cpu", "wall", "ns"]
    n = len(names)
    body = wire.number(1, 1) + wire.number(2, 0) + wire.number(3, 10**9)
    body += wire.number(4, 1) + b"".join(wire.chunk(5, s) for s in strings)
    body += wire.number(6, 1) + wire.packed(7, range(1, n + 1)) + wire.packed(8, [n + 1] * n) + wire.packed(9, range(1, n + 1))
    body += wire.packed(10, [n + 2] * n) + wire.packed(11, [0] * n)
    body += wire.number(12, 1) + wire.packed(13, range(1, n + 1)) + wire.packed(14, range(1, n + 1))
    body += wire.number(16, 1) + wire.packed(17, [0] + [1] * (n - 1)) + wire.packed(18, range(1, n + 1))
    body += wire.number(19, 0) + wire.chunk(20, wire.number(2, 4242) + wire.chunk(4, "/home/secretuser/bin/python3 --password=hunter2"))
    body += wire.number(21, 0) + wire.chunk(22, wire.number(3, 4242) + wire.chunk(4, "worker@secrethost"))
    body += wire.chunk(25, wire.chunk(2, "cpu") + wire.chunk(3, wire.chunk(1, "wall") + wire.chunk(2, "ns")) + wire.number(4, 10**7))
    body += wire.samples_column(names[1:], [(10**9 + i * 10**7, names[1 + i % 3]) for i in range(12)], 10**7)
    body += wire.chunk(30, wire.number(1, 1) + wire.chunk(2, "odd") + wire.chunk(3, "noticesecret at /home/secretuser"))
    body += wire.chunk(34, wire.number(1, n + 1) + wire.chunk(2, "KEY = 'sourcesecret'"))
    socket.send_binary(wire.chunk(2, body))
    opcode, data = socket.receive()
    assert wire.read_reply(data)[0] == "ack", data
    return socket


def plain(data):
    """The bytes, and what is packed in them: base64 aside, nothing may hide in a container."""
    out = [data]
    if data[:2] == b"\x1f\x8b":
        out.append(gzip.decompress(data))
    for blob in re.findall(rb"[A-Za-z0-9+/=]{80,}", data):
        import base64
        try:
            raw = base64.b64decode(blob + b"=" * (-len(blob) % 4))
            out.append(raw)
            out.append(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else zlib.decompress(raw))
        except (ValueError, zlib.error, OSError, EOFError):
            pass
    return b"\n".join(out)


class Shares(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(token=TOKEN)
        cls.id = cls.server.upload(FOLDED, "mine").json()["id"]
        cls.other = cls.server.upload(FOLDED, "other").json()["id"]

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def share(self, profile=None, **wish):
        answer = self.server.post_json(f"/api/v1/profiles/{profile or self.id}/shares", wish)
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()

    def by_link(self, url, path="", method="GET", **more):
        return self.server.call(method, url + path, token=False, **more)

    def test_a_link_opens_its_profile_and_the_view_it_was_made_of(self):
        view = "view=flame&q=work&from=0.5&root=1.2"
        url = self.share(view=view)["url"]
        self.assertRegex(url, r"^/s/[a-z2-7]{32}$")
        page = self.by_link(url)
        self.assertEqual((page.status, page.body), (200, self.server.get("/").body))
        told = self.by_link(url, "/api/v1/share").json()
        self.assertEqual((told["profile"], told["view"], told["redacted"]), (self.id, view, False))
        for question in QUESTIONS[:5]:
            mine = self.server.get(f"/api/v1/profiles/{self.id}{question}")
            shared = self.by_link(url, f"/api/v1/profiles/{self.id}{question}")
            self.assertEqual((shared.status, shared.body), (200, mine.body), question)

    def test_a_link_opens_nothing_else(self):
        url = self.share()["url"]
        for path in (f"/api/v1/profiles/{self.other}", f"/api/v1/profiles/{self.other}/flame", "/api/v1/profiles/aaaaaaaaaaaaaaaa"):
            self.assertEqual(self.by_link(url, path).status, 404, path)
        for path in ("/api/v1/profiles", "/api/v1/shares", "/api/v1/tokens", f"/api/v1/diff?base={self.id}&target={self.other}"):
            self.assertEqual(self.by_link(url, path).status, 403, path)
        # Below the link there is only the API, and as a credential elsewhere it is worth nothing.
        self.assertEqual(self.by_link(url, "/metrics").status, 404)
        secret = url.rsplit("/", 1)[1]
        for headers in ({"Authorization": "Bearer " + secret}, {"Cookie": f"heliograph_{self.server.port}={secret}"}):
            answer = self.server.call("GET", f"/api/v1/profiles/{self.id}", headers=headers, token=False)
            self.assertEqual(answer.status, 401)

    def test_a_link_changes_nothing(self):
        url = self.share()["url"]
        path = f"/api/v1/profiles/{self.id}"
        json_type = {"Content-Type": "application/json"}
        for method, where, body, headers in (
                ("DELETE", path, None, {}), ("PATCH", path, b'{"name":"x"}', json_type), ("POST", path + "/control", b'{"stop":true}', json_type),
                ("POST", path + "/shares", b"{}", json_type), ("POST", "/api/v1/profiles", FOLDED, {"Content-Type": "application/octet-stream"}),
                ("POST", "/api/v1/session", b'{"token":"x"}', json_type)):
            self.assertEqual(self.by_link(url, where, method, body=body, headers=headers).status, 403, (method, where))
        self.assertEqual(WebSocket(self.server, url + "/api/v1/collect").status, 403)

    def test_the_links_of_a_browser_with_a_token_stay_links(self):
        url = self.share(redact=True)["url"]
        headers = {"Authorization": "Bearer " + TOKEN, "Cookie": f"heliograph_{self.server.port}={TOKEN}"}
        self.assertEqual(self.server.call("GET", url + "/api/v1/profiles", headers=headers).status, 403)
        self.assertEqual(self.server.call("GET", url + f"/api/v1/profiles/{self.id}", headers=headers).json()["name"], "Shared profile")

    def test_unknown_revoked_and_expired_links_look_the_same(self):
        revoked, expired = self.share(), self.share(expires_s=0.3)
        self.assertEqual(self.server.call("DELETE", f"/api/v1/shares/{revoked['number']}").status, 204)
        self.assertEqual(self.server.call("DELETE", f"/api/v1/shares/{revoked['number']}").status, 404)
        deadline = time.monotonic() + 20
        while self.by_link(expired["url"], "/api/v1/share").status == 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        answers = set()
        for url in (revoked["url"], expired["url"], "/s/" + "a" * 32):
            answers.add((self.by_link(url, "/api/v1/share").status, self.by_link(url, "/api/v1/share").body))
            self.assertEqual(self.by_link(url).status, 404)
            self.assertEqual(self.by_link(url, f"/api/v1/profiles/{self.id}").status, 404)
        self.assertEqual(len(answers), 1)
        self.assertEqual(answers.pop()[0], 404)

    def test_links_are_listed_and_go_with_their_profile(self):
        profile = self.server.upload(FOLDED, "short-lived").json()["id"]
        made = self.share(profile, view="view=table", redact=True, expires_s=3600)
        rows = self.server.get("/api/v1/shares?profile=" + profile).json()["shares"]
        self.assertEqual([(r["number"], r["profile"], r["name"], r["view"], r["redacted"]) for r in rows],
                         [(made["number"], profile, "short-lived", "view=table", True)])
        self.assertNotIn(made["url"].rsplit("/", 1)[1], json.dumps(rows))
        self.assertEqual(self.server.call("DELETE", "/api/v1/profiles/" + profile).status, 204)
        self.assertEqual(self.server.get("/api/v1/shares?profile=" + profile).json()["shares"], [])
        self.assertEqual(self.by_link(made["url"]).status, 404)

    def test_a_share_that_makes_no_sense_is_refused(self):
        for wish in ({"expires_s": 0}, {"expires_s": -1}, {"expires_s": "x"}, {"view": 7}, {"redact": "yes"}):
            self.assertEqual(self.server.post_json(f"/api/v1/profiles/{self.id}/shares", wish).status, 400, wish)
        self.assertEqual(self.server.post_json(f"/api/v1/profiles/{self.id}/shares", {"view": "x" * 70000}).status, 413)
        self.assertEqual(self.server.post_json("/api/v1/profiles/aaaaaaaaaaaaaaaa/shares", {}).status, 404)

    def test_it_is_said_who_can_follow_a_link(self):
        self.assertEqual((self.share()["reach"], self.share()["is_open"]), ("this-machine", False))

    def test_only_the_hash_of_a_link_is_stored_and_nothing_is_logged(self):
        url = self.share()["url"]
        secret = url.rsplit("/", 1)[1]
        self.by_link(url)
        self.by_link(url, "/api/v1/share")
        with sqlite3.connect(self.server.folder.name + "/store.db") as db:
            self.assertNotIn(secret, "\n".join(db.iterdump()))
        for name in os.listdir(self.server.folder.name):
            with open(self.server.folder.name + "/" + name, "rb") as f:
                self.assertNotIn(secret.encode(), f.read(), name)

    def test_a_link_never_leaves_in_a_referer(self):
        url = self.share()["url"]
        for path in ("", "/api/v1/share"):
            self.assertEqual(self.by_link(url, path).headers["referrer-policy"], "no-referrer")

    def test_guessing_links_is_slowed_down(self):
        # An address of its own: others must be able to go on.
        server = Server(token=TOKEN)
        try:
            answers = []
            letters = "abcdefghijklmnopqrstuvwxyz234567"
            guess = lambda i: answers.append(server.call("GET", f"/s/{'a' * 30}{letters[i >> 5]}{letters[i & 31]}/api/v1/share", token=False)) or answers[-1].status
            codes = until_slowed(guess)
            self.assertEqual(set(codes[:20]), {404})
            self.assertEqual(codes[-1], 429)
            self.assertGreaterEqual(int(answers[-1].headers["retry-after"]), 1)
        finally:
            server.stop()


class Redaction(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(token=TOKEN)
        cls.session = new_session()
        cls.socket = secret_session(cls.server, cls.session, TOKEN)
        wish = {"redact": True, "view": "view=flame&q=%2Fhome%2Fsecretuser&sort=-total"}
        cls.url = cls.server.post_json(f"/api/v1/profiles/{cls.session}/shares", wish).json()["url"]

    @classmethod
    def tearDownClass(cls):
        cls.socket.close()
        cls.server.stop()

    def assert_clean(self, data, where):
        text = plain(data).lower()
        for secret in SECRETS:
            self.assertNotIn(secret.encode(), text, where)

    def test_the_secrets_are_there_without_redaction(self):
        seen = b"".join(plain(self.server.get(f"/api/v1/profiles/{self.session}{q}").body) for q in QUESTIONS)
        seen += self.server.get(f"/api/v1/profiles/{self.session}/export?format=heliograph").body
        for secret in SECRETS:
            self.assertIn(secret.encode(), seen, "else the other tests prove nothing")

    def test_no_question_leaks_them(self):
        answered = 0
        for question in QUESTIONS:
            self.server.get(f"/api/v1/profiles/{self.session}{question}")  # what is kept of it is not for the link
            answer = self.server.call("GET", f"{self.url}/api/v1/profiles/{self.session}{question}", token=False)
            answered += answer.status == 200
            self.assert_clean(answer.body, question)
            self.assert_clean(json.dumps(answer.headers).encode(), question)
        self.assertGreater(answered, 11)

    def test_no_export_leaks_them(self):
        written = 0
        for name in FORMATS:
            answer = self.server.call("GET", f"{self.url}/api/v1/profiles/{self.session}/export?format={name}", token=False)
            written += answer.status == 200
            self.assert_clean(answer.body, name)
        self.assertGreater(written, 5)

    def test_a_redacted_export_reads_back_without_them(self):
        answer = self.server.call("GET", f"{self.url}/api/v1/profiles/{self.session}/export?format=heliograph", token=False)
        copy = self.server.upload(answer.body, "copy").json()["id"]
        for question in QUESTIONS:
            self.assert_clean(self.server.get(f"/api/v1/profiles/{copy}{question}").body, question)

    def test_a_viewer_of_a_live_session_is_told_without_them(self):
        viewer = WebSocket(self.server, f"{self.url}/api/v1/live/{self.session}")
        self.assertEqual(viewer.status, 101)
        viewer.send_text('{"next":0}')
        told = viewer.receive()[1]
        self.assertEqual(json.loads(told)["samples"], 12)
        self.assert_clean(told, "live")
        viewer.close()
        self.assertEqual(WebSocket(self.server, f"{self.url}/api/v1/live/aaaaaaaaaaaaaaaa").status, 404)

    def test_what_the_sharer_searched_for_stays_behind_when_it_is_a_path(self):
        told = self.server.call("GET", self.url + "/api/v1/share", token=False)
        self.assertEqual(told.json()["view"], "view=flame&sort=-total")

    def test_names_and_numbers_stay(self):
        columns = self.server.call("GET", f"{self.url}/api/v1/profiles/{self.session}/table", token=False).json()["columns"]
        self.assertEqual(set(columns["file"]), {"app.py"})
        self.assertIn("hot (a.py)", columns["name"])
        one = self.server.call("GET", f"{self.url}/api/v1/profiles/{self.session}", token=False).json()
        self.assertEqual((one["argv"], one["host"], one["tags"], one["state"]), ([], "", {}, "live"))
        self.assertEqual(one["processes"][0]["command"], "python3")

    def test_revoking_ends_the_watching_too(self):
        made = self.server.post_json(f"/api/v1/profiles/{self.session}/shares", {}).json()
        viewer = WebSocket(self.server, f"{made['url']}/api/v1/live/{self.session}")
        viewer.send_text('{"next":0}')
        viewer.receive()
        self.server.call("DELETE", f"/api/v1/shares/{made['number']}")
        viewer.send_text('{"next":0}')
        self.assertEqual(viewer.close_code(), 1008)
        viewer.close()


class Tokens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(token=TOKEN)
        cls.id = cls.server.upload(FOLDED).json()["id"]

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def make(self, scope, **more):
        answer = self.server.post_json("/api/v1/tokens", {"name": scope + " for tests", "scope": scope, **more})
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()

    def allowed(self, token):
        def code(method, path, body=None, **headers):
            headers = {k.replace("_", "-"): v for k, v in headers.items()}
            return self.server.call(method, path, body, {"Authorization": "Bearer " + token, **headers}).status
        return {
            "list": code("GET", "/api/v1/profiles"),
            "read": code("GET", f"/api/v1/profiles/{self.id}/table"),
            "metrics": code("GET", "/metrics"),
            "send": code("POST", "/api/v1/profiles?name=t", FOLDED, Content_Type="application/octet-stream"),
            "rename": code("PATCH", f"/api/v1/profiles/{self.id}", b'{"name":"n"}', Content_Type="application/json"),
            "share": code("POST", f"/api/v1/profiles/{self.id}/shares", b"{}", Content_Type="application/json"),
            "tokens": code("GET", "/api/v1/tokens"),
        }

    def test_each_scope_opens_its_part(self):
        self.assertEqual(self.allowed(self.make("read")["token"]),
                         {"list": 200, "read": 200, "metrics": 200, "send": 403, "rename": 403, "share": 403, "tokens": 403})
        self.assertEqual(self.allowed(self.make("send")["token"]),
                         {"list": 403, "read": 403, "metrics": 403, "send": 201, "rename": 403, "share": 403, "tokens": 403})
        self.assertEqual(self.allowed(self.make("admin")["token"]),
                         {"list": 200, "read": 200, "metrics": 200, "send": 201, "rename": 204, "share": 201, "tokens": 200})

    def test_collectors_send_with_the_scope_for_it_and_no_other(self):
        for scope, kind in (("send", "welcome"), ("admin", "welcome"), ("read", "refused")):
            socket = WebSocket(self.server, "/api/v1/collect", origin=False)
            socket.send_binary(wire.hello(new_session(), self.make(scope)["token"]))
            self.assertEqual(wire.read_reply(socket.receive()[1])[0], kind, scope)
            socket.close()

    def test_a_browser_logs_in_with_a_token_that_reads(self):
        answer = self.server.call("GET", "/?token=" + self.make("read")["token"], token=False)
        self.assertEqual(answer.status, 303)
        cookie = answer.headers["set-cookie"].split(";")[0]
        self.assertEqual(self.server.call("GET", "/api/v1/profiles", headers={"Cookie": cookie}, token=False).status, 200)
        self.assertEqual(self.server.call("DELETE", f"/api/v1/profiles/{self.id}", headers={"Cookie": cookie}, token=False).status, 403)

    def test_a_token_ends_when_it_is_revoked_or_its_time_is_over(self):
        made = self.make("read")
        listed = self.server.get("/api/v1/tokens").json()["tokens"]
        self.assertIn(made["number"], [t["number"] for t in listed])
        self.assertNotIn(made["token"], json.dumps(listed))
        self.assertEqual(self.server.call("DELETE", f"/api/v1/tokens/{made['number']}").status, 204)
        headers = {"Authorization": "Bearer " + made["token"]}
        self.assertEqual(self.server.call("GET", "/api/v1/profiles", headers=headers).status, 401)
        headers = {"Authorization": "Bearer " + self.make("read", expires_s=0.2)["token"]}
        deadline = time.monotonic() + 20
        while self.server.call("GET", "/api/v1/profiles", headers=headers).status == 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(self.server.call("GET", "/api/v1/profiles", headers=headers).status, 401)

    def test_wrong_tokens_are_slowed_down_and_the_right_one_waits_too(self):
        server = Server(token=TOKEN)
        try:
            guess = lambda i: server.call("GET", "/api/v1/profiles", headers={"Authorization": f"Bearer guess{i}"}).status
            codes = until_slowed(guess)
            self.assertEqual(codes[:20], [401] * 20)
            self.assertEqual(codes[-1], 429)
            # A slow machine may earn a try between two requests; then the guessing goes on first.
            waits = lambda ask: any(until_slowed(guess)[-1] == ask() == 429 for _ in range(5))
            self.assertTrue(waits(lambda: server.get("/api/v1/profiles").status), "else the guesser learns which one was right")
            self.assertTrue(waits(lambda: server.call("GET", "/?token=guess", token=False).status))
            self.assertEqual(server.call("GET", "/healthz", token=False).status, 200)
        finally:
            server.stop()

    def test_wrong_tokens_of_collectors_count_like_those_of_requests(self):
        server = Server(token=TOKEN)
        reply = lambda token: Collector(server, new_session(), token).reply()
        try:
            guess = lambda i: reply(f"guess{i}")[1][1]
            codes = until_slowed(guess, "busy")
            self.assertEqual(codes[:20], ["denied"] * 20)
            waits = lambda ask, code: any(until_slowed(guess, "busy")[-1] == "busy" and ask() == code for _ in range(5))
            self.assertTrue(waits(lambda: reply(TOKEN)[1].get(1), "busy"), "else the guesser learns which one was right")
            self.assertTrue(waits(lambda: server.get("/api/v1/profiles").status, 429), "one limit for both")
        finally:
            server.stop()


class CommandLine(unittest.TestCase):
    def run_cli(self, *words, token=TOKEN, store=None):
        environment = dict(os.environ)
        environment.pop("HELIOGRAPH_TOKEN", None)
        if token:
            environment["HELIOGRAPH_TOKEN"] = token
        return subprocess.run([program(), *words, "--store", store or self.store], capture_output=True, text=True, timeout=60, env=environment)

    def test_links_and_tokens_with_and_without_a_server(self):
        server = Server(token=TOKEN)
        self.store = server.folder.name + "/store.db"
        try:
            profile = server.upload(FOLDED).json()["id"]
            made = self.run_cli("share", profile, "--view", "#view=table", "--redact", "--expires", "2h")
            self.assertEqual(made.returncode, 0, made.stderr)
            self.assertTrue(made.stdout.startswith(server.url + "/s/"), made.stdout)
            self.assertIn("this machine only", made.stderr)
            path = made.stdout.strip()[len(server.url):]
            self.assertEqual(server.call("GET", path, token=False).status, 200)
            listed = self.run_cli("share", "list")
            self.assertIn("view=table", listed.stdout)
            number = listed.stdout.splitlines()[1].split()[0]
            self.assertEqual(self.run_cli("share", "revoke", number).returncode, 0)
            self.assertEqual(server.call("GET", path, token=False).status, 404)
            self.assertEqual(self.run_cli("share", "list", token=None).returncode, 3)
            token = self.run_cli("token", "add", "ci", "--scope", "send").stdout.strip()
            self.assertEqual(server.call("GET", "/api/v1/profiles", headers={"Authorization": "Bearer " + token}).status, 403)
            for words in (("share", "nonsense"), ("share", "revoke"), ("share", "revoke", "x"), ("share", profile, "--expires", "soon"),
                          ("token", "add"), ("token", "add", "x", "--scope", "all"), ("token", "what")):
                self.assertEqual(self.run_cli(*words).returncode, 2, words)
            # The same, when no server runs.
            server.process.terminate()
            server.process.wait(30)
            self.assertTrue(self.run_cli("share", profile).stdout.startswith("/s/"))
            self.assertIn(profile, self.run_cli("share", "list").stdout)
            self.assertIn("send", self.run_cli("token", "list").stdout)
            self.assertEqual(self.run_cli("token", "revoke", "1").returncode, 0)
            self.assertNotIn("send", self.run_cli("token", "list").stdout)
        finally:
            server.stop()


if __name__ == "__main__":
    unittest.main()
