"""What the server says of allocations: by place, between two moments, which may leak."""

import random
import unittest

import wire
from served import Server, WebSocket

KB = 1024


class Memory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.exact = cls.collect(1)
        cls.sampled = cls.collect(64 * KB)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    @classmethod
    def collect(cls, period):
        """A leak of 10 KB each half second for a minute, a cache that is full after 20 s, and work that is freed."""
        rows = []
        for i in range(1, 120):
            t = i / 2
            rows.append((t, "leak", 0, 10 * KB, 10, 0, 0, t))
            if t < 20:
                rows.append((t, "cache", 1, 20 * KB, 5, 0, 0, t))
            rows.append((t, "work", 2, 500 * KB, 50, 0, 0, t))
            rows.append((t + 0.25, "work", 2, 0, 0, 500 * KB, 50, t))
        session = "".join(random.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(16))
        socket = WebSocket(cls.server, "/api/v1/collect", origin=False)
        socket.send_binary(wire.hello(session))
        socket.receive()
        socket.send_binary(wire.heap_batch(1, ["leak", "cache", "work"], rows, period))
        assert wire.read_reply(socket.receive()[1])[0] == "ack"
        socket.send_binary(wire.bye(2))
        socket.receive()
        return session

    def ask(self, question, profile=None, status=200):
        answer = self.server.get(f"/api/v1/profiles/{profile or self.exact}/{question}")
        self.assertEqual(answer.status, status, answer.body)
        return answer.json()

    def column(self, answer, key):
        return dict(zip(answer["columns"]["name"], answer["columns"][key]))

    def test_places_have_what_they_allocated_freed_and_kept(self):
        answer = self.ask("memory?by=function")
        self.assertEqual(answer["every_bytes"], 0)
        self.assertEqual(answer["places"], 3)
        self.assertEqual(self.column(answer, "in_use"), {"leak": 119 * 10 * KB, "cache": 39 * 20 * KB, "work": 0})
        self.assertEqual(self.column(answer, "allocated")["work"], 119 * 500 * KB)
        self.assertEqual(self.column(answer, "freed_count")["work"], 119 * 50)
        self.assertEqual(answer["columns"]["name"][0], "leak")
        self.assertEqual(answer["columns"]["callers"][0], ["main"])
        self.assertEqual(sum(answer["columns"]["in_use"]), answer["totals"]["in_use"])
        self.assertNotIn("in_use_error", answer["columns"])

    def test_a_window_and_a_moment(self):
        window = self.column(self.ask("memory?by=function&from=9.9&to=20.1&sort=leaked"), "leaked")
        self.assertEqual(window, {"leak": 21 * 10 * KB, "cache": 20 * 20 * KB, "work": 500 * KB})
        moment = self.column(self.ask("memory?to=5.000001"), "in_use")
        self.assertEqual(moment, {"leak": 100 * KB, "cache": 200 * KB, "work": 500 * KB})

    def test_two_moments_compared(self):
        answer = self.ask("memory?base=10&to=30.3")
        self.assertEqual(answer["base_s"], 10)
        self.assertEqual(self.column(answer, "grown"), {"leak": 40 * 10 * KB, "cache": 19 * 20 * KB, "work": -500 * KB})
        self.assertEqual(self.column(answer, "grown_count")["leak"], 400)
        self.assertEqual(answer["columns"]["name"][0], "work", "the largest change first")
        for key in ("in_use", "base", "grown"):
            self.assertEqual(sum(answer["columns"][key]), answer["totals"][key])

    def test_short_lived_is_what_went_within_a_time(self):
        self.assertEqual(self.ask("memory?short=0.2")["totals"]["short"], 0)
        answer = self.ask("memory?short=0.3&sort=short&by=function", self.sampled)
        self.assertEqual(answer["columns"]["name"][0], "work")
        self.assertEqual(answer["totals"]["short"], 119 * 500 * KB)

    def test_domains_and_limits(self):
        answer = self.ask("memory?domain=object,malloc&limit=1")
        self.assertEqual((answer["places"], len(answer["columns"]["id"])), (2, 1))
        self.assertEqual(answer["totals"]["allocated"], 119 * 10 * KB + 39 * 20 * KB)
        flame = self.ask("flame?value=allocated&domain=malloc&format=json")
        self.assertEqual(flame["head"]["total"], 39 * 20 * KB)

    def test_leaks_are_suspected_and_full_caches_are_not(self):
        leaks = self.ask("leaks")["leaks"]
        self.assertEqual([item["name"] for item in leaks["items"]], ["leak"])
        item = leaks["items"][0]
        self.assertAlmostEqual(item["bytes_per_min"], 1200 * KB, delta=60 * KB)
        self.assertEqual((item["callers"], item["rises"], len(item["in_use"])), (["main"], item["steps"], leaks["windows"]))
        filling = self.ask("leaks?to=19")["leaks"]
        self.assertEqual({i["name"] for i in filling["items"]}, {"leak", "cache"})

    def test_estimates_have_their_error(self):
        answer = self.ask("memory?by=function", self.sampled)
        self.assertEqual(answer["every_bytes"], 64 * KB)
        self.assertNotIn("temporary", answer["columns"])
        error = self.column(answer, "in_use_error")["leak"]
        self.assertGreater(error, 0)
        self.assertLessEqual(error, (119 * 10 * KB * 64 * KB) ** 0.5)
        self.assertIn("in_use_error", answer["totals"])

    def test_answers_are_as_openapi_has_them(self):
        document = self.server.get("/openapi.json").json()
        for question in ("memory", "leaks"):
            get = document["paths"]["/api/v1/profiles/{id}/" + question]["get"]
            required = get["responses"]["200"]["content"]["application/json"]["schema"]["required"]
            self.assertFalse(set(required) - set(self.ask(question)), question)

    def test_nonsense_is_refused(self):
        for question in ("memory?by=moon", "memory?sort=moon", "memory?domain=moon", "memory?base=x", "memory?limit=-1", "memory?short=x", "leaks?by=x"):
            self.assertEqual(self.ask(question, status=400)["error"]["code"], "invalid", question)
        plain = self.server.upload(b"main;work 1\n", "plain").json()["id"]
        for question in ("memory", "leaks"):
            self.assertEqual(self.ask(question, plain, status=422)["error"]["code"], "unsupported")


if __name__ == "__main__":
    unittest.main()
