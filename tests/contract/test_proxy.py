"""Behind a reverse proxy: the examples of docker/proxy, with a real nginx and a real Caddy."""

import base64
import http.client
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

from served import ROOT, Server, until_slowed

TOKEN = "p9" * 24
FOLDED = b"main;work 7\nmain;rest 3\n"
NAME = "profiles.example.org"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class TrustedProxy(unittest.TestCase):
    """What is believed of whom, without a proxy program: requests as one would make them."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server("--trust-proxy", "127.0.0.1", "--allow-host", NAME, "--upload-rate", "2", token=TOKEN)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def ask(self, method="GET", path="/api/v1/profiles", body=None, token=TOKEN, **headers):
        headers = {"Host": NAME, **{k.replace("_", "-"): v for k, v in headers.items()}}
        if token:
            headers["Authorization"] = "Bearer " + token
        return self.server.call(method, path, body, headers, token=False)

    def test_a_proxy_needs_a_token(self):
        with tempfile.TemporaryDirectory() as folder:
            from served import program
            environment = {k: v for k, v in os.environ.items() if k != "HELIOGRAPH_TOKEN"}
            done = subprocess.run([program(), "serve", "--listen", "127.0.0.1:0", "--trust-proxy", "127.0.0.1", "--store", folder + "/s.db"],
                                  capture_output=True, text=True, timeout=60, env=environment)
        self.assertEqual(done.returncode, 2)
        self.assertIn("token", done.stderr)

    def test_the_cookie_is_secure_when_the_proxy_speaks_https(self):
        for scheme, secure in (("https", True), ("http", False)):
            cookie = self.ask(path="/?token=" + TOKEN, token=None, X_Forwarded_Proto=scheme).headers["set-cookie"]
            self.assertEqual("Secure" in cookie, secure, scheme)

    def test_the_origin_has_the_scheme_that_the_proxy_tells(self):
        for origin, scheme, status in ((f"https://{NAME}", "https", 204), (f"http://{NAME}", "https", 403), (f"https://{NAME}", "http", 403)):
            answer = self.ask("POST", "/api/v1/session", '{"token":"%s"}' % TOKEN, Content_Type="application/json", Origin=origin, X_Forwarded_Proto=scheme)
            self.assertEqual(answer.status, status, (origin, scheme))

    def test_limits_hold_for_the_address_behind_the_proxy(self):
        send = lambda address: self.ask("POST", "/api/v1/profiles", FOLDED, Content_Type="application/octet-stream", X_Forwarded_For=address).status
        self.assertEqual([send("192.0.2.1") for _ in range(3)], [201, 201, 429])
        self.assertEqual(send("192.0.2.2"), 201)
        self.assertEqual(send("192.0.2.9, 192.0.2.1"), 429, "only the last one was seen by the proxy")
        answer = self.ask("POST", "/api/v1/profiles", FOLDED, Content_Type="application/octet-stream", X_Forwarded_For="192.0.2.1")
        self.assertGreaterEqual(int(answer.headers["retry-after"]), 1)
        self.assertEqual(send("nonsense; 192.0.2.1"), 201, "what is no address counts as the proxy's own")

    def test_nobody_else_is_believed(self):
        server = Server(token=TOKEN)
        try:
            answer = server.call("GET", "/?token=" + TOKEN, headers={"X-Forwarded-Proto": "https"}, token=False)
            self.assertNotIn("Secure", answer.headers["set-cookie"])
            guesses = until_slowed(lambda i: server.call("GET", "/api/v1/profiles", headers={"Authorization": "Bearer no", "X-Forwarded-For": f"192.0.{i >> 8}.{i & 255}"}).status)
            self.assertEqual(guesses[-1], 429, "an address of one's own choosing is no way around the limit")
        finally:
            server.stop()

    def test_a_share_says_that_others_can_reach_it(self):
        self.assertEqual(self.ask(path="/api/v1/shares").json()["reach"], "network")


class Proxied:
    """The same for both programs; `start` is theirs."""

    @classmethod
    def setUpClass(cls):
        if not shutil.which(cls.program, path=os.environ.get("PATH", "") + ":/usr/sbin"):
            raise unittest.SkipTest(f"{cls.program} is not installed")
        cls.folder = tempfile.TemporaryDirectory(prefix="heliograph-proxy-")
        cls.path = pathlib.Path(cls.folder.name)
        cls.server = Server("--trust-proxy", "127.0.0.1", "--allow-host", NAME, token=TOKEN)
        cls.port = free_port()
        cls.make_certificate()
        cls.log = open(cls.path / "log", "w")
        cls.process = cls.start()
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", cls.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        words = (cls.path / "log").read_text()
        cls.tearDownClass()
        raise RuntimeError(f"{cls.program} did not start: {words}")

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        cls.process.wait(20)
        cls.log.close()
        cls.server.stop()
        cls.folder.cleanup()

    @classmethod
    def make_certificate(cls):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=" + NAME, "-keyout", cls.path / "key.pem", "-out", cls.path / "cert.pem"], check=True, capture_output=True)

    def connect(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return context.wrap_socket(raw, server_hostname=NAME)

    def ask(self, method, path, body=None, headers=None, token=TOKEN):
        connection = http.client.HTTPSConnection(NAME, timeout=30)
        connection.sock = self.connect()
        headers = {"Host": NAME, **(headers or {})}
        if token:
            headers["Authorization"] = "Bearer " + token
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer, data

    def test_the_page_an_upload_and_a_share_go_through(self):
        self.assertEqual(self.ask("GET", "/", token=None)[0].status, 200)
        self.assertEqual(self.ask("GET", "/api/v1/profiles", token=None)[0].status, 401)
        answer, data = self.ask("POST", "/api/v1/profiles", FOLDED, {"Content-Type": "application/octet-stream", "Origin": f"https://{NAME}"})
        self.assertEqual(answer.status, 201, data)
        profile = re.search(rb'"id":"(\w+)"', data).group(1).decode()
        answer, data = self.ask("POST", f"/api/v1/profiles/{profile}/shares", "{}", {"Content-Type": "application/json"})
        url = re.search(rb'"url":"([^"]+)"', data).group(1).decode()
        self.assertEqual(self.ask("GET", url + f"/api/v1/profiles/{profile}", token=None)[0].status, 200)
        self.log.flush()
        for file in (f for f in self.path.rglob("*") if f.is_file()):
            self.assertNotIn(url, file.read_text(errors="replace"), file.name)

    def test_the_cookie_is_secure_and_foreign_origins_stay_out(self):
        cookie = self.ask("GET", "/?token=" + TOKEN, token=None)[0].getheader("set-cookie")
        self.assertIn("; Secure", cookie)
        answer, _ = self.ask("POST", "/api/v1/profiles", FOLDED, {"Content-Type": "application/octet-stream", "Origin": "https://evil.test"})
        self.assertEqual(answer.status, 403)

    def test_what_a_client_claims_about_itself_is_thrown_away(self):
        codes = until_slowed(lambda i: self.ask("GET", "/api/v1/profiles", None, {"X-Forwarded-For": f"192.0.{i >> 8}.{i & 255}", "Authorization": "Bearer guess"},
                                                token=None)[0].status)
        self.assertEqual((codes[0], codes[-1]), (401, 429))

    def test_a_viewer_s_websocket_goes_through(self):
        profile = self.server.upload(FOLDED).json()["id"]
        answer = self.server.post_json(f"/api/v1/profiles/{profile}/shares", {})
        with self.connect() as s:
            key = base64.b64encode(os.urandom(16)).decode()
            s.sendall((f"GET {answer.json()['url']}/api/v1/live/{profile} HTTP/1.1\r\nHost: {NAME}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nOrigin: https://{NAME}\r\n\r\n").encode())
            self.assertIn(b" 101 ", s.recv(65536).split(b"\r\n")[0])


class Nginx(Proxied, unittest.TestCase):
    program = "nginx"

    @classmethod
    def start(cls):
        site = (ROOT / "docker/proxy/nginx.conf").read_text()
        for a, b in (("listen 443 ssl", f"listen 127.0.0.1:{cls.port} ssl"), ("/etc/ssl/profiles.example.org.pem", f"{cls.path}/cert.pem"),
                     ("/etc/ssl/private/profiles.example.org.key", f"{cls.path}/key.pem"), ("127.0.0.1:7700", f"127.0.0.1:{cls.server.port}"),
                     ("/var/log/nginx/heliograph.log", f"{cls.path}/access.log")):
            assert a in site, a
            site = site.replace(a, b)
        temp = "\n".join(f"{kind}_temp_path {cls.path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (cls.path / "nginx.conf").write_text(f"daemon off;\nmaster_process off;\npid {cls.path}/pid;\nerror_log {cls.path}/error.log;\n"
                                             f"events {{}}\nhttp {{\n{temp}\n{site}\n}}\n")
        program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        return subprocess.Popen([program, "-c", cls.path / "nginx.conf", "-p", cls.path], stdout=cls.log, stderr=cls.log)


class Caddy(Proxied, unittest.TestCase):
    program = "caddy"

    @classmethod
    def start(cls):
        site = (ROOT / "docker/proxy/Caddyfile").read_text()
        for a, b in ((NAME + " {", f"https://{NAME}:{cls.port} {{\n\tbind 127.0.0.1\n\ttls {cls.path}/cert.pem {cls.path}/key.pem"),
                     ("127.0.0.1:7700", f"127.0.0.1:{cls.server.port}")):
            assert a in site, a
            site = site.replace(a, b)
        (cls.path / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + site)
        environment = dict(os.environ, XDG_DATA_HOME=str(cls.path / "data"), XDG_CONFIG_HOME=str(cls.path / "config"))
        return subprocess.Popen(["caddy", "run", "--config", cls.path / "Caddyfile", "--adapter", "caddyfile"], stdout=cls.log, stderr=cls.log, env=environment)


if __name__ == "__main__":
    unittest.main()
