"""Viewers and collectors: both websockets, kept and broken."""

import json
import random
import threading
import time
import unittest

import wire
from served import Server, WebSocket

TOKEN = "q7" * 24


def new_session():
    return "".join(random.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(16))


class Collector:
    def __init__(self, server, session, token="", headers=None):
        self.session = session
        self.socket = WebSocket(server, "/api/v1/collect", headers, origin=False)
        self.functions = ["hot", "cold"]
        self.seq = 0
        if self.socket.status == 101:
            self.socket.send_binary(wire.hello(session, token))

    def reply(self):
        opcode, data = self.socket.receive()
        assert opcode == 2, (opcode, data)
        return wire.read_reply(data)

    def send(self, hot=7, cold=3):
        self.seq += 1
        begin = self.seq * 10**9
        samples = [(begin + i * 10**7, "hot" if i < hot else "cold") for i in range(hot + cold)]
        make = wire.first_batch if self.seq == 1 else wire.more_samples
        self.socket.send_binary(make(self.seq, self.functions, samples))
        return self.reply()


class Sockets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def profile(self, session):
        return self.server.get("/api/v1/profiles/" + session).json()

    def test_a_collector_is_welcomed_acknowledged_and_seen(self):
        collector = Collector(self.server, new_session())
        kind, fields = collector.reply()
        self.assertEqual(kind, "welcome")
        self.assertEqual(fields[1], f"{self.server.url}/p/{collector.session}")
        self.assertEqual(fields[2], 1)
        self.assertEqual(collector.send(), ("ack", {1: 1}))
        one = self.profile(collector.session)
        self.assertEqual(one["state"], "live")
        self.assertEqual(one["values"][0]["total"], 10 * 10_000_000)
        self.assertEqual(one["argv"], ["python3", "app.py"])
        self.assertEqual(collector.send(), ("ack", {1: 2}))
        table = self.server.get(f"/api/v1/profiles/{collector.session}/table").json()
        self.assertEqual(dict(zip(table["columns"]["name"], table["columns"]["samples_self"]))["hot"], 14)
        window = self.server.get(f"/api/v1/profiles/{collector.session}/table?from=2&to=3").json()
        self.assertEqual(window["samples_total"], 10)
        collector.socket.send_binary(wire.bye(2))
        self.assertEqual(self.wait_for_state(collector.session, "complete"), "complete")
        collector.socket.close()

    def test_a_session_that_nobody_opened_has_its_sentence_in_the_list(self):
        for goodbye in (True, False):
            collector = Collector(self.server, new_session())
            collector.reply()
            collector.send()
            self.assertFalse(self.listed(collector.session)["summary"], "a live one has none yet")
            if goodbye:
                collector.socket.send_binary(wire.bye(1))
                collector.reply()
            collector.socket.close()
            for _ in range(400):
                row = self.listed(collector.session)
                if row["summary"]:
                    break
                time.sleep(0.05)
            self.assertIn("70 % in hot", row["summary"])

    def listed(self, session):
        return self.server.get("/api/v1/profiles?q=" + session).json()["profiles"][0]

    def wait_for_state(self, session, state):
        for _ in range(100):
            if self.profile(session)["state"] == state:
                break
            time.sleep(0.05)
        return self.profile(session)["state"]

    def test_a_lost_collector_leaves_an_interrupted_profile_and_may_come_back(self):
        session = new_session()
        first = Collector(self.server, session)
        first.reply()
        first.send()
        first.socket.close()
        self.assertEqual(self.wait_for_state(session, "interrupted"), "interrupted")
        again = Collector(self.server, session)
        kind, fields = again.reply()
        self.assertEqual((kind, fields[2]), ("welcome", 2))
        again.seq = 1
        self.assertEqual(again.send(), ("ack", {1: 2}))
        self.assertEqual(self.profile(session)["state"], "live")
        again.socket.close()

    def test_nonsense_from_a_collector_is_refused_and_closed(self):
        socket = WebSocket(self.server, "/api/v1/collect", origin=False)
        socket.send_binary(b"\xff" * 100)
        seen = []
        with self.assertRaises(EOFError):
            while True:
                seen.append(socket.receive()[0])
        self.assertIn(8, seen)
        self.assertEqual(self.server.get("/healthz").status, 200)

    def test_a_viewer_gets_what_is_new_when_it_asks(self):
        collector = Collector(self.server, new_session())
        collector.reply()
        collector.send()
        viewer = WebSocket(self.server, "/api/v1/live/" + collector.session)
        viewer.send_text('{"next":0}')
        first = json.loads(viewer.receive()[1])
        self.assertEqual((first["state"], first["samples"]), ("live", 10))
        self.assertEqual(first["rss_bytes"], 2 << 20)
        self.assertIn("70 % in hot", first["summary"])
        threading.Timer(0.5, collector.send).start()
        viewer.send_text(json.dumps({"next": first["rev"]}))
        second = json.loads(viewer.receive()[1])
        self.assertGreater(second["rev"], first["rev"])
        self.assertEqual(second["samples"], 20)
        viewer.close()
        collector.socket.close()

    def test_a_viewer_is_not_answered_more_often_than_every_200_ms(self):
        collector = Collector(self.server, new_session())
        collector.reply()
        collector.send()
        viewer = WebSocket(self.server, "/api/v1/live/" + collector.session)
        begin = time.monotonic()
        for _ in range(4):
            viewer.send_text('{"next":0}')
            viewer.receive()
        self.assertGreater(time.monotonic() - begin, 0.55)
        viewer.close()
        collector.socket.close()

    def test_a_stopped_viewer_harms_nobody(self):
        collector = Collector(self.server, new_session())
        collector.reply()
        collector.send()
        stopped = WebSocket(self.server, "/api/v1/live/" + collector.session)
        for _ in range(50):
            stopped.send_text('{"next":0}')
        for _ in range(20):
            collector.send()
        self.assertEqual(self.server.get("/healthz").status, 200)
        stopped.close()
        collector.socket.close()

    def test_a_person_s_wish_reaches_the_collector(self):
        collector = Collector(self.server, new_session())
        collector.reply()
        collector.send()
        path = f"/api/v1/profiles/{collector.session}/control"
        self.assertEqual(self.server.post_json(path, {"paused": True}).status, 204)
        collector.seq += 1
        collector.socket.send_binary(wire.more_samples(2, collector.functions, [(3 * 10**9, "hot")]))
        kinds = {collector.reply()[0], collector.reply()[0]}
        self.assertEqual(kinds, {"ack", "control"})
        collector.socket.close()

    def test_a_live_profile_is_not_deleted_under_its_collector(self):
        collector = Collector(self.server, new_session())
        collector.reply()
        collector.send()
        self.assertEqual(self.server.call("DELETE", "/api/v1/profiles/" + collector.session).status, 409)
        collector.socket.close()

    # ---- rules of RFC 6455 ----

    def open_viewer(self):
        profile = self.server.upload(b"main;a 1\n").json()["id"]
        return WebSocket(self.server, "/api/v1/live/" + profile)

    def test_a_message_over_the_limit_closes_with_1009(self):
        viewer = self.open_viewer()
        viewer.frame(1, b"x" * 2000)
        self.assertEqual(viewer.close_code(), 1009)

    def test_fragments_are_put_together_up_to_the_limit(self):
        viewer = self.open_viewer()
        viewer.frame(1, b'{"ne', last=False)
        viewer.frame(0, b'xt":0}')
        self.assertEqual(viewer.receive()[0], 1)
        viewer.frame(1, b"x" * 900, last=False)
        viewer.frame(0, b"x" * 900)
        self.assertEqual(viewer.close_code(), 1009)

    def test_a_continuation_of_nothing_closes_with_1002(self):
        viewer = self.open_viewer()
        viewer.frame(0, b"x")
        self.assertEqual(viewer.close_code(), 1002)

    def test_text_that_is_not_utf8_closes_with_1007(self):
        viewer = self.open_viewer()
        viewer.frame(1, b'{"next":"\xff\xfe"}')
        self.assertEqual(viewer.close_code(), 1007)

    def test_binary_where_text_is_spoken_closes_with_1003(self):
        viewer = self.open_viewer()
        viewer.frame(2, b"\x00")
        self.assertEqual(viewer.close_code(), 1003)

    def test_unknown_opcodes_close_with_1002(self):
        for opcode, data in ((3, b"x"), (11, b"x")):
            viewer = self.open_viewer()
            viewer.frame(opcode, data)
            self.assertEqual(viewer.close_code(), 1002, opcode)

    def test_what_is_not_a_request_for_news_closes_with_1008(self):
        for text in ("hello", "{}", '{"next":-1}', "[" * 1000):
            viewer = self.open_viewer()
            viewer.send_text(text)
            self.assertEqual(viewer.close_code(), 1008, text)

    def test_a_ping_is_answered_and_a_close_too(self):
        viewer = self.open_viewer()
        viewer.frame(9, b"are you there")
        self.assertEqual(viewer.receive(), (10, b"are you there"))
        viewer.frame(8, b"\x03\xe8")
        self.assertEqual(viewer.close_code(), 1000)

    def test_a_viewer_of_nothing_gets_404(self):
        self.assertEqual(WebSocket(self.server, "/api/v1/live/aaaaaaaaaaaaaaaa").status, 404)
        self.assertEqual(WebSocket(self.server, "/api/v1/live/x").status, 404)
        self.assertEqual(WebSocket(self.server, "/api/v1/nothing").status, 404)

    def test_more_viewers_than_allowed_get_503_and_leave_room_again(self):
        profile = self.server.upload(b"main;a 1\n").json()["id"]
        viewers = [WebSocket(self.server, "/api/v1/live/" + profile) for _ in range(140)]
        refused = [v for v in viewers if v.status == 503]
        self.assertGreater(len(refused), 0)
        self.assertIn("Retry-After", refused[0].head)
        self.assertEqual(self.server.get("/healthz").status, 200, "requests have threads of their own")
        for viewer in viewers:
            viewer.close()
        for _ in range(100):
            viewer = WebSocket(self.server, "/api/v1/live/" + profile)
            if viewer.status == 101:
                break
            time.sleep(0.1)
        self.assertEqual(viewer.status, 101)
        viewer.close()


class SocketsWithToken(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(token=TOKEN)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_a_collector_shows_the_token_in_its_hello(self):
        collector = Collector(self.server, new_session(), TOKEN)
        self.assertEqual(collector.reply()[0], "welcome")
        collector.socket.close()

    def test_a_collector_without_the_token_is_refused_for_good(self):
        collector = Collector(self.server, new_session(), "wrong")
        kind, fields = collector.reply()
        self.assertEqual((kind, fields[1]), ("refused", "denied"))
        collector.socket.close()

    def test_a_collector_with_the_token_in_its_header_needs_no_other(self):
        collector = Collector(self.server, new_session(), headers={"Authorization": "Bearer " + TOKEN})
        self.assertEqual(collector.reply()[0], "welcome")
        collector.socket.close()


if __name__ == "__main__":
    unittest.main()
