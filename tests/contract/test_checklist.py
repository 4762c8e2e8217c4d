"""Rows of the security checklist (docs/security.md) that are about the whole server rather than one rule of the gate."""

import gzip
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from served import Server, WebSocket, program

TOKEN = "c4" * 24
FOLDED = b"main;work 7\nmain;rest 3\n"
PUBLIC = {("get", "/healthz"), ("get", "/readyz"), ("get", "/openapi.json"), ("post", "/api/v1/session")}


def listening_addresses(pid):
    """The local addresses of the process's listening sockets, as /proc/net/tcp has them."""
    own = {os.readlink(fd) for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[1].split(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in own}


class Checklist(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--max-collectors", "2", token=TOKEN)
        cls.profile = cls.server.upload(FOLDED).json()["id"]

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_the_server_listens_on_the_loopback_by_itself(self):
        with tempfile.TemporaryDirectory() as folder:
            environment = {k: v for k, v in os.environ.items() if k != "HELIOGRAPH_TOKEN"}
            process = subprocess.Popen([program(), "serve", "--store", folder + "/s.db"], stderr=subprocess.PIPE, text=True, env=environment)
            said = process.stderr.readline()
            try:
                # Somebody else may have the usual port; then it says which address it wanted.
                self.assertIn("127.0.0.1:7700", said)
                if "serving" in said:
                    self.assertEqual(listening_addresses(process.pid), {"0100007F"})
            finally:
                process.terminate()
                process.communicate(timeout=60)

    def test_every_route_but_the_public_ones_wants_the_token(self):
        document = self.server.get("/openapi.json").json()
        asked = [(method, path) for path, methods in document["paths"].items() for method in methods if method != "servers"]
        self.assertGreater(len(asked), 40)
        for method, path in set(asked) - PUBLIC - {("get", "/api/v1/share")}:
            url = path.replace("{id}", self.profile).replace("{number}", "1")
            body = b"{}" if "requestBody" in document["paths"][path][method] else None
            types = document["paths"][path][method].get("requestBody", {}).get("content", {})
            headers = {"Content-Type": next(iter(types))} if types else {}
            answer = self.server.call(method.upper(), url, body, headers, token=False)
            self.assertEqual((answer.status, answer.headers.get("www-authenticate")), (401, "Bearer"), (method, path))
        self.assertEqual(self.server.call("GET", "/api/v1/share", token=False).status, 401)

    def test_more_collectors_than_allowed_get_503_and_leave_room_again(self):
        bearer = {"Authorization": "Bearer " + TOKEN}
        open_one = lambda: WebSocket(self.server, "/api/v1/collect", bearer, origin=False)
        collectors = [open_one() for _ in range(3)]
        self.assertEqual([c.status for c in collectors], [101, 101, 503])
        self.assertIn("Retry-After", collectors[2].head)
        for c in collectors:
            c.close()
        for _ in range(200):
            again = open_one()
            again.close()
            if again.status == 101:
                return
        self.fail("a place is never free again")

    def test_a_zstd_window_above_8_megabytes_gets_400(self):
        """Frame header (RFC 8878): no size, window 2^(10 + n); then an empty last block."""
        frame = lambda exponent: b"\x28\xb5\x2f\xfd\x00" + bytes([exponent - 10 << 3]) + b"\x01\x00\x00"
        self.assertEqual(self.server.upload(frame(24)).status, 400)
        self.assertIn("window", self.server.upload(frame(24)).error()["message"])
        self.assertNotIn("window", self.server.upload(frame(23)).error()["message"])

    def test_what_follows_an_archive_is_no_part_of_it_and_told(self):
        warnings = lambda data: self.server.upload(data).json()["warnings"]
        self.assertEqual(warnings(gzip.compress(FOLDED)), [])
        self.assertEqual(warnings(gzip.compress(FOLDED) + bytes(512)), [], "padding")
        self.assertEqual(["something else follows" in w for w in warnings(gzip.compress(FOLDED) + b"garbage")], [True])

    def test_the_policy_of_a_page_permits_this_server_only(self):
        policy = self.server.get("/").headers["content-security-policy"]
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        for name in ("script-src", "style-src", "font-src", "connect-src", "worker-src", "manifest-src", "form-action"):
            self.assertEqual(rules.pop(name), "'self'", name)
        self.assertEqual(rules, {"default-src": "'none'", "img-src": "'self' data:", "base-uri": "'none'", "frame-ancestors": "'none'"})
        page = self.server.get("/").body.decode()
        self.assertFalse(re.findall(r"<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=", page), "nothing inline")

    def test_links_and_tokens_are_160_random_bits(self):
        make = lambda: self.server.post_json(f"/api/v1/profiles/{self.profile}/shares", {}).json()["url"]
        links = [make() for _ in range(20)] + ["/s/" + self.server.post_json("/api/v1/tokens", {"name": "x", "scope": "read"}).json()["token"]]
        self.assertEqual([link for link in links if not re.fullmatch(r"/s/[a-z2-7]{32}", link)], [])
        self.assertEqual(len({link[3 + at:7 + at] for link in links for at in range(0, 32, 4)}), 8 * len(links), "no part comes twice")

    def test_a_frame_that_is_only_announced_takes_no_memory(self):
        """Ten websockets that each announce as much as a viewer may not send, and send nothing of it."""
        resident = lambda: int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()).group(1))
        bearer = {"Authorization": "Bearer " + TOKEN}
        before = resident()
        viewers = [WebSocket(self.server, f"/api/v1/live/{self.profile}", bearer) for _ in range(10)]
        for viewer in viewers:
            viewer.frame(1, b"", declared=64 << 20)
        self.assertEqual(self.server.get("/healthz").status, 200)
        self.assertLess(resident() - before, 320 << 10, "half of what was announced, in KiB")
        for viewer in viewers:
            viewer.close()


if __name__ == "__main__":
    unittest.main()
