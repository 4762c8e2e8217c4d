"""A real `heliograph serve` for a test, and the smallest clients that can also misbehave."""

import base64
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def until_slowed(ask, slowed=429, most=500):
    """The answers of ask(0), ask(1), ... up to the first that says to wait. A try comes back every few seconds, so a slow machine needs more of them."""
    codes = []
    while len(codes) < most and (not codes or codes[-1] != slowed):
        codes.append(ask(len(codes)))
    return codes


def program():
    """The sanitized build when there is one: it sees more."""
    for folder in (os.environ.get("HELIOGRAPH_DEV"), ROOT / "build/dev"):
        if folder and (pathlib.Path(folder) / "heliograph").exists():
            return str(pathlib.Path(folder) / "heliograph")
    return os.environ.get("HELIOGRAPH", str(ROOT / "build/release/heliograph"))


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def error(self):
        return self.json()["error"]


class Server:
    def __init__(self, *options, token=None):
        self.folder = tempfile.TemporaryDirectory(prefix="heliograph-contract-")
        self.token = token
        self.options = options
        self._start()

    def _start(self):
        command = [program(), "serve", "--listen", "127.0.0.1:0", "--store", self.folder.name + "/store.db", *self.options]
        environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=1")
        environment.pop("HELIOGRAPH_TOKEN", None)
        if self.token:
            environment["HELIOGRAPH_TOKEN"] = self.token
        self.errors = open(self.folder.name + "/stderr", "w+")
        self.process = subprocess.Popen(command, stdout=self.errors, stderr=self.errors, env=environment)
        self.url = self._wait_for_url()
        self.host, self.port = "127.0.0.1", int(self.url.rsplit(":", 1)[1])

    def _wait_for_url(self):
        for _ in range(300):
            found = re.search(r"http://127\.0\.0\.1:\d+", self.words())
            if found:
                return found.group()
            try:
                self.process.wait(0.1)
                break
            except subprocess.TimeoutExpired:
                pass
        raise RuntimeError("the server did not start: " + self.words())

    def words(self):
        return pathlib.Path(self.errors.name).read_text(errors="replace")

    def stop(self):
        try:
            self._end()
        finally:
            self.folder.cleanup()

    def restart(self):
        """Another server with the same store."""
        self._end()
        self._start()

    def _end(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        words = self.words()
        self.errors.close()
        if code != 0 or "Sanitizer" in words or "runtime error" in words:
            raise AssertionError(f"the server ended with {code}: {words[-3000:]}")

    def call(self, method, path, body=None, headers=None, token=True):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        headers = dict(headers or {})
        if self.token and token:
            headers.setdefault("Authorization", "Bearer " + self.token)
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        result = Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        connection.close()
        return result

    def get(self, path, **headers):
        return self.call("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def post_json(self, path, value, method="POST", **headers):
        return self.call(method, path, json.dumps(value), {"Content-Type": "application/json", **headers})

    def upload(self, data, name="a"):
        return self.call("POST", "/api/v1/profiles?name=" + name, data, {"Content-Type": "application/octet-stream"})

    def raw(self, request, timeout=20):
        """Bytes as they are; the whole answer as bytes. What the server left unread may reset us."""
        with socket.create_connection((self.host, self.port), timeout=timeout) as s:
            s.sendall(request)
            answer = b""
            try:
                while chunk := s.recv(65536):
                    answer += chunk
            except ConnectionResetError:
                pass
            return answer

    def status_of(self, request):
        answer = self.raw(request)
        return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None

    def authority(self):
        return f"{self.host}:{self.port}"


class WebSocket:
    """RFC 6455 by hand, so that a test can break every rule of it."""

    def __init__(self, server, path, headers=None, origin=True, timeout=30):
        self.socket = socket.create_connection((server.host, server.port), timeout=timeout)
        lines = [f"GET {path} HTTP/1.1", f"Host: {server.authority()}", "Upgrade: websocket", "Connection: Upgrade",
                 "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode(), "Sec-WebSocket-Version: 13"]
        if origin:
            lines.append(f"Origin: http://{server.authority()}")
        lines += [f"{k}: {v}" for k, v in (headers or {}).items()]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            chunk = self.socket.recv(65536)
            if not chunk:
                break
            self.buffer += chunk
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        self.status = int(head.split(b" ", 2)[1])
        self.head = head.decode()

    def frame(self, opcode, data, last=True, masked=True, declared=None):
        length = len(data) if declared is None else declared
        first = (0x80 if last else 0) | opcode
        mask_bit = 0x80 if masked else 0
        if length < 126:
            head = struct.pack("!BB", first, mask_bit | length)
        elif length < 65536:
            head = struct.pack("!BBH", first, mask_bit | 126, length)
        else:
            head = struct.pack("!BBQ", first, mask_bit | 127, length)
        key = os.urandom(4)
        if masked:
            data = key + bytes(b ^ key[i % 4] for i, b in enumerate(data))
        self.socket.sendall(head + data)

    def send_text(self, text):
        self.frame(1, text.encode())

    def send_binary(self, data):
        self.frame(2, data)

    def _take(self, n):
        while len(self.buffer) < n:
            chunk = self.socket.recv(65536)
            if not chunk:
                raise EOFError
            self.buffer += chunk
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def receive(self):
        """(opcode, data); pings are answered by nobody."""
        first, second = self._take(2)
        length = second & 0x7F
        if length == 126:
            length = struct.unpack("!H", self._take(2))[0]
        elif length == 127:
            length = struct.unpack("!Q", self._take(8))[0]
        return first & 0x0F, self._take(length)

    def close_code(self):
        """The code of the close that comes next."""
        while True:
            opcode, data = self.receive()
            if opcode == 8:
                return struct.unpack("!H", data[:2])[0] if len(data) >= 2 else None

    def close(self):
        self.socket.close()

    def __del__(self):
        self.socket.close()
