"""Clients that send slowly or keep places: they lose them, and nobody else waits."""

import re
import select
import socket
import time
import unittest

from served import Server

FOLDED = b"main;work 7\n"


class Slow(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.stop)

    def begin(self):
        """A connection whose body has begun, and says that more is to come."""
        slow = socket.create_connection((self.server.host, self.server.port), timeout=60)
        self.addCleanup(slow.close)
        slow.sendall(f"POST /api/v1/profiles HTTP/1.1\r\nHost: {self.server.authority()}\r\nContent-Type: application/octet-stream\r\nContent-Length: 100000\r\n\r\nmain".encode())
        return slow

    def drip(self, s):
        """One more byte, or the status that came instead (0: the connection is gone)."""
        try:
            if select.select([s], [], [], 0)[0]:
                answer = s.recv(65536)
                return int(answer.split(b" ", 2)[1]) if answer else 0
            s.sendall(b"x")
        except OSError:
            return 0
        return None

    def test_bodies_that_drip_are_ended_and_hold_up_nobody(self):
        """Five bytes a second each: never silent, and else never done."""
        slow, ended = [self.begin() for _ in range(30)], {}
        for turn in range(300):
            ended.update((s, status) for s in slow if s not in ended and (status := self.drip(s)) is not None)
            if len(ended) == len(slow):
                break
            if turn % 20 == 0:
                self.assertEqual(self.server.get("/healthz").status, 200)
                self.assertEqual(self.server.upload(FOLDED).status, 201)
            time.sleep(0.2)
        self.assertEqual(len(ended), len(slow))
        self.assertIn(408, ended.values())
        self.assertLessEqual(set(ended.values()), {0, 408})
        self.assertEqual(self.server.upload(FOLDED).status, 201)

    def test_one_address_cannot_take_all_places_for_bodies(self):
        """64 threads read bodies, and 32 of them those of one address; requests without one go on."""
        waiting, refused = [self.begin() for _ in range(40)], []
        end = time.monotonic() + 60
        while not refused and time.monotonic() < end:
            for s in select.select(waiting, [], [], 1)[0]:
                refused += [answer for answer in [s.recv(65536)] if answer.startswith(b"HTTP/1.1 503 ")]
                waiting.remove(s)
        self.assertIn(b"Retry-After", refused[0])
        self.assertEqual(self.server.get("/api/v1/profiles").status, 200)

    def cut(self):
        return int(re.search(rb"^heliograph_http_cut_total (\d+)$", self.server.get("/metrics").body, re.M).group(1))

    def test_readers_that_stop_are_cut_off_and_hold_up_nobody(self):
        """60 ask for an answer larger than what buffers hold and take nothing of it: 32 may wait for a while, the others may not."""
        lines = b"".join(b"module_%05d.%s;leaf_%05d 1\n" % (i, b"f" * 150, i) for i in range(30000))
        profile = self.server.upload(lines).json()["id"]
        stopped = []
        for _ in range(60):
            s = socket.socket()
            self.addCleanup(s.close)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.connect((self.server.host, self.server.port))
            s.sendall(f"GET /api/v1/profiles/{profile}/export?format=folded HTTP/1.1\r\nHost: {self.server.authority()}\r\n\r\n".encode())
            stopped.append(s)
        self.assertEqual(self.server.get("/healthz").status, 200)
        self.assertEqual(self.server.upload(FOLDED).status, 201)
        end = time.monotonic() + 120
        while self.cut() < 60 and time.monotonic() < end:
            time.sleep(0.2)
        self.assertEqual(self.cut(), 60)
        self.assertEqual(self.server.upload(FOLDED).status, 201)


if __name__ == "__main__":
    unittest.main()
