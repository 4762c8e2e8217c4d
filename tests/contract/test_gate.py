"""What every request meets first: one test for each rule of the gate (docs/security.md)."""

import gzip
import os
import pathlib
import tempfile
import unittest

from served import Server, WebSocket

TOKEN = "k3" * 24
FOLDED = b"main;work 7\nmain;rest 3\n"
ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class Gate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--max-upload", "1MB", "--allow-host", "profiles.test")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def head(self, line, *headers, host=None):
        host = self.server.authority() if host is None else host
        lines = [line] + ([f"Host: {host}"] if host else []) + list(headers)
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def expect(self, status, request):
        self.assertEqual(self.server.status_of(request), status)

    # ---- Host ----

    def test_a_foreign_host_gets_421_on_every_kind_of_address(self):
        for path in ("/", "/api/v1/profiles", "/assets/x.js", "/healthz", "/nothing"):
            with self.subTest(path):
                self.expect(421, self.head(f"GET {path} HTTP/1.1", host=f"evil.test:{self.server.port}"))

    def test_a_missing_host_gets_421(self):
        self.expect(421, self.head("GET / HTTP/1.0", host=""))

    def test_another_port_gets_421(self):
        self.expect(421, self.head("GET / HTTP/1.1", host="127.0.0.1:1"))
        self.expect(421, self.head("GET / HTTP/1.1", host="127.0.0.1"))

    def test_names_that_only_begin_like_ours_get_421(self):
        for name in ("127.0.0.1.evil.test", "localhost.evil.test", "xlocalhost", "2130706433", "0.0.0.0"):
            with self.subTest(name):
                self.expect(421, self.head("GET / HTTP/1.1", host=f"{name}:{self.server.port}"))

    def test_our_own_names_are_served(self):
        for name in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]", "profiles.test"):
            with self.subTest(name):
                self.expect(200, self.head("GET /healthz HTTP/1.1", host=f"{name}:{self.server.port}"))
        self.expect(200, self.head("GET /healthz HTTP/1.1", host="profiles.test"))

    def test_two_hosts_get_400(self):
        self.expect(400, self.head("GET / HTTP/1.1", f"Host: {self.server.authority()}"))

    def test_a_foreign_host_gets_421_before_a_websocket_opens(self):
        request = self.head("GET /api/v1/collect HTTP/1.1", "Upgrade: websocket", "Connection: Upgrade",
                            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13", host="evil.test")
        self.expect(421, request)

    # ---- framing ----

    def test_length_and_chunks_together_get_400(self):
        self.expect(400, self.head("POST /api/v1/profiles HTTP/1.1", "Content-Length: 5", "Transfer-Encoding: chunked",
                                   "Content-Type: application/octet-stream") + b"0\r\n\r\n")

    def test_two_lengths_get_400(self):
        self.expect(400, self.head("POST /api/v1/profiles HTTP/1.1", "Content-Length: 5", "Content-Length: 6",
                                   "Content-Type: application/octet-stream") + b"hello!")

    def test_an_unknown_transfer_encoding_gets_400(self):
        self.assertIn(self.server.status_of(self.head("POST /api/v1/profiles HTTP/1.1", "Transfer-Encoding: xchunked")), (400, 501))

    def test_lengths_that_are_not_numbers_get_400(self):
        for length in ("-1", "+5", "5x", "0x5", " "):
            with self.subTest(length):
                request = self.head("POST /api/v1/profiles HTTP/1.1", f"Content-Length: {length}",
                                    "Content-Type: application/octet-stream") + b"hello"
                self.assertIn(self.server.status_of(request), (400, 411))

    def test_a_body_that_ends_early_is_refused(self):
        import socket
        with socket.create_connection((self.server.host, self.server.port), timeout=20) as s:
            s.sendall(self.head("POST /api/v1/profiles HTTP/1.1", "Content-Length: 50", "Content-Type: application/octet-stream") + b"main 1\n")
            s.shutdown(socket.SHUT_WR)
            self.assertIn(b" 400 ", s.recv(65536).split(b"\r\n")[0])

    def test_a_chunked_upload_is_read(self):
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (FOLDED[:5], FOLDED[5:])) + b"0\r\n\r\n"
        self.expect(201, self.head("POST /api/v1/profiles?name=chunks HTTP/1.1", "Transfer-Encoding: chunked",
                                   "Content-Type: application/octet-stream") + body)

    def test_a_broken_chunk_gets_400(self):
        self.expect(400, self.head("POST /api/v1/profiles HTTP/1.1", "Transfer-Encoding: chunked",
                                   "Content-Type: application/octet-stream") + b"zz\r\nmain 1\r\n0\r\n\r\n")

    # ---- paths ----

    def test_broken_and_nul_codes_in_the_path_get_400(self):
        for path in ("/%00", "/p/%zz", "/p/%2", "/assets/%00/x"):
            with self.subTest(path):
                self.expect(400, self.head(f"GET {path} HTTP/1.1"))

    def test_paths_out_of_the_tree_lead_nowhere(self):
        for path in ("/assets/../../etc/passwd", "/assets/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd", "/etc/passwd", "//etc/passwd"):
            with self.subTest(path):
                self.assertIn(self.server.status_of(self.head(f"GET {path} HTTP/1.1")), (400, 404))

    def test_what_is_not_there_gets_404_and_a_wrong_method_405(self):
        self.assertEqual(self.server.get("/api/v1/nothing").status, 404)
        self.assertEqual(self.server.call("PUT", "/api/v1/profiles", b"").status, 405)
        self.assertEqual(self.server.call("DELETE", "/healthz").status, 405)

    def test_a_request_nobody_understands_is_refused_with_our_headers(self):
        answer = self.server.raw(b"NONSENSE\r\n\r\n")
        if answer:
            self.assertIn(b" 400 ", answer.split(b"\r\n")[0])
            self.assertIn(b"nosniff", answer)

    def test_headers_of_20_kilobytes_are_refused(self):
        self.assertIn(self.server.status_of(self.head("GET / HTTP/1.1", "X-Long: " + "a" * 20000)), (400, 413, 431))

    # ---- other sites ----

    def test_preflights_get_403_and_no_permission(self):
        answer = self.server.raw(self.head("OPTIONS /api/v1/profiles HTTP/1.1", "Origin: http://evil.test",
                                           "Access-Control-Request-Method: POST"))
        self.assertIn(b" 403 ", answer.split(b"\r\n")[0])
        self.assertNotIn(b"access-control-allow", answer.lower())

    def test_no_answer_ever_permits_another_origin(self):
        for path in ("/", "/healthz", "/api/v1/profiles", "/nothing"):
            answer = self.server.get(path, Origin="http://evil.test")
            self.assertFalse([h for h in answer.headers if h.startswith("access-control")], path)

    def test_writes_from_another_origin_get_403(self):
        for origin in ("http://evil.test", "null", "https://127.0.0.1", f"http://localhost:{self.server.port}",
                       f"http://{self.server.authority()}.evil.test", ""):
            with self.subTest(origin):
                answer = self.server.call("POST", "/api/v1/profiles", FOLDED,
                                          {"Content-Type": "application/octet-stream", "Origin": origin})
                self.assertEqual(answer.status, 403)

    def test_cross_site_writes_get_403_by_fetch_metadata(self):
        for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 201), ("none", 201)):
            answer = self.server.call("POST", "/api/v1/profiles", FOLDED,
                                      {"Content-Type": "application/octet-stream", "Sec-Fetch-Site": site})
            self.assertEqual(answer.status, status, site)

    def test_writes_from_our_own_page_are_taken(self):
        answer = self.server.call("POST", "/api/v1/profiles", FOLDED,
                                  {"Content-Type": "application/octet-stream", "Origin": self.server.url})
        self.assertEqual(answer.status, 201)

    # ---- bodies ----

    def test_wrong_content_types_get_415(self):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x", "application/json", ""):
            with self.subTest(kind):
                answer = self.server.call("POST", "/api/v1/profiles", FOLDED, {"Content-Type": kind})
                self.assertEqual(answer.status, 415)

    def test_an_upload_without_length_gets_411(self):
        self.expect(411, self.head("POST /api/v1/profiles HTTP/1.1", "Content-Type: application/octet-stream"))

    def test_an_upload_over_the_limit_gets_413_told_or_chunked(self):
        answer = self.server.upload(b"main;a 1\n" * 200000)
        self.assertEqual(answer.status, 413)
        self.assertEqual(answer.error()["code"], "too_large")
        chunk = b"main;a 1\n" * 10000
        body = (b"%x\r\n%s\r\n" % (len(chunk), chunk)) * 20 + b"0\r\n\r\n"
        self.expect(413, self.head("POST /api/v1/profiles HTTP/1.1", "Transfer-Encoding: chunked",
                                   "Content-Type: application/octet-stream") + body)

    def test_a_length_beyond_64_bits_gets_413(self):
        self.assertIn(self.server.status_of(self.head("POST /api/v1/profiles HTTP/1.1", "Content-Length: 99999999999999999999999",
                                                      "Content-Type: application/octet-stream")), (400, 411, 413))

    def test_json_nested_1000_deep_gets_400_and_the_server_lives(self):
        profile = self.server.upload(FOLDED).json()["id"]
        for depth in (65, 1000, 200000):
            answer = self.server.call("PATCH", f"/api/v1/profiles/{profile}", b'{"a":' + b"[" * depth,
                                      {"Content-Type": "application/json"})
            self.assertEqual(answer.status, 400, depth)
        self.assertEqual(self.server.get("/healthz").status, 200)

    def test_json_over_a_megabyte_gets_413(self):
        answer = self.server.post_json("/api/v1/session", {"token": "x" * (1 << 20)})
        self.assertEqual(answer.status, 413)

    def test_a_form_with_a_file_is_an_upload(self):
        form = (b'--xyz\r\nContent-Disposition: form-data; name="comment"\r\n\r\nhello\r\n--xyz\r\n'
                b'Content-Disposition: form-data; name="file"; filename="app.folded"\r\nContent-Type: text/plain\r\n\r\n' + FOLDED + b"\r\n--xyz--\r\n")
        for kind in ("multipart/form-data; boundary=xyz", 'Multipart/Form-Data; charset=utf-8; boundary="xyz"'):
            answer = self.server.call("POST", "/api/v1/profiles", form, {"Content-Type": kind})
            self.assertEqual(answer.status, 201, answer.body)
            self.assertEqual(self.server.get("/api/v1/profiles/" + answer.json()["id"]).json()["name"], "app.folded")

    def test_broken_forms_get_400(self):
        head = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n'
        for kind, form in (("boundary=b", b""), ("boundary=b", b"--b"), ("boundary=b", b"--b\r\n"), ("boundary=b", b"--b--"), ("boundary=b", head + FOLDED),
                           ("boundary=b", head + FOLDED + b"\r\n--b"), ("boundary=b", b"--b\r\n" + b"X: " + b"y" * 9000 + b"\r\n\r\nmain 1\r\n--b--"),
                           ("boundary=b", b"--bmain 1\r\n--b--"), ("boundary=" + "b" * 71, b""), ("", FOLDED), ("boundary=", FOLDED)):
            answer = self.server.call("POST", "/api/v1/profiles", form, {"Content-Type": "multipart/form-data; " + kind})
            self.assertEqual(answer.status, 400, (kind, form[:60]))
        answer = self.server.call("POST", "/api/v1/profiles", (head + FOLDED + b"\r\n") * 300 + b"--b--", {"Content-Type": "multipart/form-data; boundary=b"})
        self.assertEqual(answer.status, 413)

    def test_a_form_of_another_site_gets_403(self):
        answer = self.server.call("POST", "/api/v1/profiles", b"--b--", {"Content-Type": "multipart/form-data; boundary=b", "Origin": "http://evil.test"})
        self.assertEqual(answer.status, 403)

    def test_broken_archives_get_400(self):
        # The last two: a zstd frame that wants a window of a gigabyte, and one of nonsense.
        for data in (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff", gzip.compress(FOLDED)[:12],
                     b"\x28\xb5\x2f\xfd\x00\xa0\x01\x00\x00", b"\x28\xb5\x2f\xfd\xff\xff\xff"):
            self.assertEqual(self.server.upload(data).status, 400, data)

    def test_a_pickle_that_would_run_something_gets_422_and_runs_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            mark = pathlib.Path(folder) / "ran"
            calls = b"".join((b"cos\nsystem\n", b"(S'touch " + str(mark).encode() + b"'\n", b"tR."))
            for data in (b"\x80\x03" + calls, b"\x80\x04\x95" + len(calls).to_bytes(8, "little") + calls, calls):
                answer = self.server.upload(data, "evil.lprof")
                self.assertEqual(answer.status, 422, data)
            self.assertFalse(mark.exists())

    def test_a_form_never_spins_a_worker(self):
        answer = self.server.call("POST", "/api/v1/profiles", b"a=%", {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(answer.status, 415)

    # ---- headers of every answer ----

    def test_every_answer_carries_the_security_headers(self):
        for path in ("/", "/healthz", "/api/v1/profiles", "/nothing", "/openapi.json", "/metrics"):
            answer = self.server.get(path)
            for name, value in ALWAYS.items():
                self.assertEqual(answer.headers.get(name), value, (path, name))
            policy = answer.headers["content-security-policy"]
            self.assertIn("default-src 'none'", policy)
            self.assertIn("frame-ancestors 'none'", policy)
            self.assertNotIn("unsafe", policy)

    def test_refusals_carry_them_too(self):
        answer = self.server.raw(self.head("GET / HTTP/1.1", host="evil.test"))
        self.assertIn(b"X-Content-Type-Options: nosniff", answer)
        self.assertIn(b"Content-Security-Policy: default-src 'none'", answer)

    def test_api_answers_are_not_stored(self):
        self.assertEqual(self.server.get("/api/v1/profiles").headers["cache-control"], "no-store")

    # ---- websockets ----

    def test_a_websocket_from_another_origin_gets_403_before_101(self):
        for path in ("/api/v1/collect", "/api/v1/live/aaaaaaaaaaaaaaaa"):
            socket = WebSocket(self.server, path, {"Origin": "http://evil.test"}, origin=False)
            self.assertEqual(socket.status, 403, path)
            socket.close()

    def test_a_viewer_without_an_origin_is_refused(self):
        socket = WebSocket(self.server, "/api/v1/live/aaaaaaaaaaaaaaaa", origin=False)
        self.assertEqual(socket.status, 403)
        socket.close()

    def test_a_websocket_of_another_version_gets_400(self):
        request = self.head("GET /api/v1/collect HTTP/1.1", "Upgrade: websocket", "Connection: Upgrade",
                            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 8")
        self.expect(400, request)


class GateWithToken(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(token=TOKEN)
        cls.profile = cls.server.upload(FOLDED).json()["id"]

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_without_the_token_the_api_answers_401(self):
        for method, path in (("GET", "/api/v1/profiles"), ("GET", f"/api/v1/profiles/{self.profile}/flame"), ("GET", "/metrics"),
                             ("DELETE", f"/api/v1/profiles/{self.profile}")):
            answer = self.server.call(method, path, token=False)
            self.assertEqual(answer.status, 401, path)
            self.assertEqual(answer.headers["www-authenticate"], "Bearer")

    def test_wrong_tokens_get_401(self):
        for token in ("", "x", TOKEN[:-1], TOKEN + "a", TOKEN.upper()):
            answer = self.server.call("GET", "/api/v1/profiles", headers={"Authorization": "Bearer " + token}, token=False)
            self.assertEqual(answer.status, 401, token)

    def test_the_token_lets_in_as_bearer(self):
        self.assertEqual(self.server.get("/api/v1/profiles").status, 200)

    def test_the_token_is_not_taken_from_the_query_of_the_api(self):
        self.assertEqual(self.server.call("GET", "/api/v1/profiles?token=" + TOKEN, token=False).status, 401)

    def test_a_link_with_the_token_sets_a_cookie_and_cleans_the_address(self):
        for path in ("/", f"/p/{self.profile}"):
            answer = self.server.call("GET", f"{path}?token={TOKEN}", token=False)
            self.assertEqual(answer.status, 303)
            self.assertEqual(answer.headers["location"], path)
            cookie = answer.headers["set-cookie"]
            for part in ("HttpOnly", "SameSite=Strict", "Path=/"):
                self.assertIn(part, cookie)
            again = self.server.call("GET", "/api/v1/profiles", headers={"Cookie": "other=1; " + cookie.split(";")[0]}, token=False)
            self.assertEqual(again.status, 200)

    def test_a_link_with_a_wrong_token_gets_401(self):
        self.assertEqual(self.server.call("GET", "/?token=wrong", token=False).status, 401)

    def test_the_page_s_form_exchanges_the_token_for_a_cookie(self):
        import json
        good = self.server.call("POST", "/api/v1/session", json.dumps({"token": TOKEN}), {"Content-Type": "application/json"}, token=False)
        self.assertEqual(good.status, 204)
        self.assertIn("HttpOnly", good.headers["set-cookie"])
        bad = self.server.call("POST", "/api/v1/session", json.dumps({"token": "no"}), {"Content-Type": "application/json"}, token=False)
        self.assertEqual(bad.status, 401)
        self.assertNotIn("set-cookie", bad.headers)

    def test_the_page_itself_is_public(self):
        self.assertEqual(self.server.call("GET", "/", token=False).status, 200)
        self.assertEqual(self.server.call("GET", "/healthz", token=False).status, 200)

    def test_a_viewer_needs_the_token(self):
        socket = WebSocket(self.server, "/api/v1/live/" + self.profile)
        self.assertEqual(socket.status, 401)
        socket.close()
        socket = WebSocket(self.server, "/api/v1/live/" + self.profile, {"Authorization": "Bearer " + TOKEN}, origin=False)
        self.assertEqual(socket.status, 101)
        socket.close()

    def test_the_token_is_never_in_the_log(self):
        self.server.call("GET", "/?token=" + TOKEN, token=False)
        self.assertNotIn(TOKEN, self.server.words())


class OpenAddress(unittest.TestCase):
    def refusal(self, *options):
        """What `serve` says before it ends with 2."""
        import subprocess
        from served import program
        with tempfile.TemporaryDirectory() as folder:
            environment = {k: v for k, v in os.environ.items() if k != "HELIOGRAPH_TOKEN"}
            done = subprocess.run([program(), "serve", *options, "--store", folder + "/s.db"],
                                  capture_output=True, text=True, timeout=60, env=environment)
        self.assertEqual(done.returncode, 2)
        return done.stderr

    def test_an_address_others_can_reach_needs_a_token(self):
        self.assertIn("token", self.refusal("--listen", "0.0.0.0:0"))

    def test_more_hosts_than_are_taken_are_an_error_and_not_left_out(self):
        hosts = ",".join(f"h{n}.test" for n in range(33))
        for option in ("--allow-host", "--webhook-host"):
            self.assertIn("more than 32 hosts", self.refusal("--listen", "127.0.0.1:0", option, hosts))


if __name__ == "__main__":
    unittest.main()
