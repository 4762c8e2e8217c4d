"""Rules over running programs, and the webhooks that tell what they find."""

import hashlib
import hmac
import http.server
import json
import queue
import threading
import time
import unittest

import wire
from served import Server, WebSocket

TOKEN = "r5" * 24
MIB = 1 << 20


class Receiver:
    """A web server that answers as it is told, in turn, and keeps what it was sent."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.got = queue.Queue()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.put((self.path, dict(self.headers), body))
                code, headers = receiver.answers.pop(0) if receiver.answers else (204, {})
                self.send_response(code)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook?key=geheim"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self):
        path, headers, body = self.got.get(timeout=60)
        return path, headers, json.loads(body), body

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def wait_for(question, what, seconds=120):
    """The first true answer; conditions are waited for, never times."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = question()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError("it never came to " + what)


class Session:
    """A collector by hand; times are the session's own, so that nothing waits for a clock."""

    names = 0

    def __init__(self, server, name="watched"):
        Session.names += 1
        self.id = "alerts" + "abcdefghij"[Session.names % 10] * 9 + "kmnopqrstu"[Session.names // 10]
        self.socket = WebSocket(server, "/api/v1/collect", headers={"Authorization": "Bearer " + (server.token or "")}, origin=False)
        self.seq = 0
        self.ask(wire.hello(self.id, server.token or "", name), "welcome")

    def ask(self, message, kind):
        self.socket.send_binary(message)
        reply = wire.read_reply(self.socket.receive()[1])
        assert reply[0] == kind, reply

    def begin(self, functions=("work", "rest"), samples=((0, "rest"),)):
        self.seq = 1
        self.functions = list(functions)
        self.ask(wire.first_batch(1, self.functions, list(samples)), "ack")

    def samples(self, samples):
        self.seq += 1
        self.ask(wire.more_samples(self.seq, self.functions, samples), "ack")

    def rss(self, points):
        self.seq += 1
        self.ask(wire.points(self.seq, points), "ack")

    def end(self):
        self.seq += 1
        self.socket.send_binary(wire.bye(self.seq))
        self.socket.close()


class Case(unittest.TestCase):
    options = ()
    token = TOKEN

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.options, token=cls.token)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def rule(self, **members):
        answer = self.server.post_json("/api/v1/rules", {"name": "a rule", **members})
        self.assertEqual(answer.status, 201, answer.body)
        self.addCleanup(self.server.call, "DELETE", f"/api/v1/rules/{answer.json()['number']}")
        return answer.json()

    def receiver(self, *answers):
        receiver = Receiver(*answers)
        self.addCleanup(receiver.close)
        return receiver

    def session(self, name="watched"):
        session = Session(self.server, name)
        self.addCleanup(session.end)
        return session

    def alerts(self, session):
        return self.server.get(f"/api/v1/profiles/{session.id}/alerts").json()["alerts"]

    def alert(self, session, delivery):
        return wait_for(lambda: next((a for a in self.alerts(session) if a["delivery"] == delivery), None), delivery)


class Rules(Case):
    def test_memory_above_a_bound_is_told_once_and_again_after_it_was_below(self):
        hook = self.receiver()
        rule = self.rule(name="too much", kind="rss", bound=100 * MIB, webhook=hook.url, secret="unter uns")
        session = self.session("shop")
        session.begin()
        session.rss([(1, 50 * MIB), (2, 101 * MIB), (3, 150 * MIB), (4, 99 * MIB), (5, 120 * MIB)])
        path, headers, told, body = hook.take()
        self.assertEqual(path, "/hook?key=geheim")
        self.assertEqual(told["event"], "alert")
        self.assertEqual((told["rule"]["name"], told["rule"]["kind"], told["rule"]["bound"]), ("too much", "rss", 100 * MIB))
        self.assertEqual((told["profile"], told["value"], told["at_s"]), (session.id, 101 * MIB, 2))
        self.assertEqual(told["url"], f"{self.server.url}/p/{session.id}")
        self.assertIn("shop", told["text"])
        signature = hmac.new(b"unter uns", body, hashlib.sha256).hexdigest()
        self.assertEqual(headers["X-Heliograph-Signature"], "sha256=" + signature)
        self.assertEqual(headers["Content-Type"], "application/json")
        kept = self.alert(session, "delivered")
        self.assertEqual((kept["rule"], kept["tries"], kept["answer"], kept["text"]), (rule["number"], 1, "HTTP 204", told["text"]))
        self.assertEqual(headers["X-Heliograph-Delivery"], str(kept["number"]))
        session.rss([(6, 80 * MIB), (7, 130 * MIB)])
        self.assertEqual(hook.take()[2]["value"], 130 * MIB)
        self.assertEqual(sorted(a["at_s"] for a in self.alerts(session)), [2, 7])

    def test_steady_growth_is_told_and_a_step_is_not(self):
        self.rule(kind="growth", bound=10 * MIB, window_s=12)
        grows, steps = self.session("grows"), self.session("steps")
        for session in (grows, steps):
            session.begin()
        grows.rss([(t, (100 + t) * MIB) for t in range(30)])  # 60 MiB a minute
        steps.rss([(t, (1 if t < 9 else 400) * MIB) for t in range(30)])
        found = self.alert(grows, "none")
        self.assertEqual(found["kind"], "growth")
        self.assertAlmostEqual(found["value"], 60 * MIB, delta=MIB)
        self.assertLess(found["at_s"], 14)
        self.assertEqual(len(self.alerts(grows)), 1)
        self.assertEqual(self.alerts(steps), [])

    def share_session(self, name, parts):
        """A hundred samples a second; `parts`: of each second, how many are in work()."""
        session = self.session(name)
        session.begin()
        rows = [(int((s + i / 100) * 1e9), "work" if i < part else "rest") for s, part in enumerate(parts) for i in range(100)]
        session.samples(rows)
        return session

    def test_a_share_above_its_own_baseline_is_told(self):
        self.rule(kind="share", bound=0.3, window_s=2, function="work", program="shop")
        rises = self.share_session("shop", [10] * 6 + [70] * 2 + [10] * 2)
        always = self.share_session("shop always", [70] * 10)
        other = self.share_session("bank", [10] * 6 + [70] * 4)
        found = self.alert(rises, "none")
        self.assertEqual(found["function"], "work")
        self.assertAlmostEqual(found["value"], 0.7, delta=0.02)
        self.assertAlmostEqual(found["baseline"], 0.1, delta=0.02)
        self.assertEqual([self.alerts(always), self.alerts(other)], [[], []])

    def test_any_function_names_the_one_that_rose(self):
        self.rule(kind="share", bound=0.3, window_s=2)
        found = self.alert(self.share_session("any", [10] * 6 + [70] * 4), "none")
        self.assertEqual(found["function"], "work")

    def test_a_function_that_holds_the_others_counts_with_them(self):
        self.rule(kind="share", bound=0.3, window_s=2, function="main")
        session = self.share_session("main", [10] * 6 + [70] * 4)
        self.rule(name="seen", kind="rss", bound=1)
        session.rss([(11, MIB)])
        self.alert(session, "none")
        self.assertEqual([a["rule_name"] for a in self.alerts(session)], ["seen"])

    def test_a_rule_begins_with_the_next_batch_and_ends_when_it_is_removed(self):
        session = self.session()
        session.begin()
        session.rss([(1, 300 * MIB)])
        self.assertEqual(self.alerts(session), [])
        number = self.rule(name="first", kind="rss", bound=200 * MIB)["number"]
        session.rss([(2, 301 * MIB)])
        self.alert(session, "none")
        self.assertEqual(self.server.call("DELETE", f"/api/v1/rules/{number}").status, 204)
        session.rss([(3, 10 * MIB), (4, 400 * MIB)])
        self.rule(name="last", kind="rss", bound=200 * MIB)
        session.rss([(5, 500 * MIB)])
        wait_for(lambda: len(self.alerts(session)) == 2, "two alerts")
        self.assertEqual([a["rule_name"] for a in self.alerts(session)], ["last", "first"])


class Webhooks(Case):
    def fire(self, hook, name="watched"):
        self.rule(kind="rss", bound=MIB, webhook=hook.url)
        session = self.session(name)
        session.begin()
        session.rss([(1, 2 * MIB)])
        return session

    def test_one_that_is_not_taken_comes_again(self):
        hook = self.receiver((500, {}), (429, {}))
        session = self.fire(hook)
        bodies = {hook.take()[3] for _ in range(3)}
        self.assertEqual(len(bodies), 1, "the same body each time")
        self.assertEqual(self.alert(session, "delivered")["tries"], 3)

    def test_one_that_is_refused_is_given_up_and_counted(self):
        before = self.server.get("/api/v1/rules").json()["webhooks"]["failed"]
        session = self.fire(self.receiver((400, {})))
        self.assertEqual([self.alert(session, "failed")[k] for k in ("tries", "answer")], [1, "HTTP 400"])
        self.assertGreater(self.server.get("/api/v1/rules").json()["webhooks"]["failed"], before)
        self.assertIn(b"heliograph_webhooks_failed_total", self.server.get("/metrics").body)

    def test_redirects_are_not_followed(self):
        elsewhere = self.receiver()
        hook = self.receiver((307, {"Location": elsewhere.url}))
        session = self.fire(hook)
        self.assertIn("redirects are not followed", self.alert(session, "failed")["answer"])
        self.assertTrue(elsewhere.got.empty())

    def test_a_removed_rule_is_told_nothing_more(self):
        hook = self.receiver(*[(500, {})] * 5)
        session = self.fire(hook)
        hook.take()
        for rule in self.server.get("/api/v1/rules").json()["rules"]:
            self.server.call("DELETE", f"/api/v1/rules/{rule['number']}")
        self.assertIn("removed", self.alert(session, "failed")["answer"])

    def test_a_test_says_how_it_went(self):
        hook = self.receiver((204, {}), (404, {}))
        path = f"/api/v1/rules/{self.rule(name='try', kind='rss', bound=1, webhook=hook.url)['number']}/test"
        self.assertEqual(self.server.call("POST", path).json(), {"is_delivered": True, "answer": "HTTP 204"})
        told = hook.take()[2]
        self.assertEqual((told["event"], told["rule"]["name"]), ("test", "try"))
        self.assertNotIn("profile", told)
        self.assertEqual(self.server.call("POST", path).json(), {"is_delivered": False, "answer": "HTTP 404"})
        hook.close()
        self.assertFalse(self.server.call("POST", path).json()["is_delivered"])
        bare = self.rule(kind="rss", bound=1)["number"]
        self.assertEqual(self.server.call("POST", f"/api/v1/rules/{bare}/test").status, 400)
        self.assertEqual(self.server.call("POST", "/api/v1/rules/999999/test").status, 404)

    def test_a_receiver_that_stands_still_holds_up_nobody_else(self):
        still = self.receiver()
        release = threading.Event()
        self.addCleanup(release.set)
        handler = still.server.RequestHandlerClass
        handler.do_POST = lambda request: release.wait(60)
        self.rule(name="still", kind="rss", bound=MIB, webhook=still.url)
        session = self.fire(self.receiver())
        self.assertEqual(self.alert(session, "delivered")["rule_name"], "a rule")

    def test_what_is_no_rule_is_refused(self):
        good = {"name": "x", "kind": "rss", "bound": 5}
        bad = [{"kind": "cpu"}, {"bound": 0}, {"bound": "5"}, {"bound": 1e300}, {"name": ""}, {"name": 5}, {"function": "f"}, {"kind": "share", "bound": 1},
               {"kind": "growth", "window_s": 0}, {"kind": "share", "bound": 0.5, "window_s": 1e9}, {"secret": "s"}, {"webhook": "ftp://example.org/"},
               {"webhook": "file:///etc/passwd"}, {"webhook": "no address"}, {"webhook": "http://name:word@example.org/"}, {"webhook": []}]
        for change in bad:
            self.assertEqual(self.server.post_json("/api/v1/rules", {**good, **change}).status, 400, change)
        self.assertEqual(self.server.post_json("/api/v1/rules", {**good, "name": "x" * 201}).status, 413)
        self.assertEqual(self.server.call("DELETE", "/api/v1/rules/999999").status, 404)

    def test_neither_the_path_of_an_address_nor_the_secret_is_told(self):
        hook = self.receiver()
        self.rule(kind="rss", bound=1e14, webhook=hook.url, secret="unter uns")
        answer = self.server.get("/api/v1/rules")
        self.assertNotIn(b"geheim", answer.body)
        self.assertNotIn(b"unter uns", answer.body)
        self.assertIn(f"http://127.0.0.1:{hook.port}/".encode(), answer.body)

    def test_rules_are_the_administrators_and_alerts_for_readers(self):
        tokens = {scope: self.server.post_json("/api/v1/tokens", {"name": scope, "scope": scope}).json()["token"] for scope in ("read", "send")}
        session = self.fire(self.receiver())
        self.alert(session, "delivered")
        for scope, token in tokens.items():
            head = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
            rules = [self.server.call("GET", "/api/v1/rules", headers=head), self.server.call("DELETE", "/api/v1/rules/1", headers=head),
                     self.server.call("POST", "/api/v1/rules", b"{}", head)]
            self.assertEqual([a.status for a in rules], [403] * 3, scope)
            self.assertEqual(self.server.call("GET", "/api/v1/alerts", headers=head).status, 200 if scope == "read" else 403)
        for redact, count in ((False, 1), (True, 0)):
            link = self.server.post_json(f"/api/v1/profiles/{session.id}/shares", {"redact": redact}).json()["url"]
            shared = self.server.call("GET", f"{link}/api/v1/profiles/{session.id}/alerts", token=False)
            self.assertEqual((shared.status, len(shared.json()["alerts"])), (200, count))
            self.assertIn(self.server.call("GET", f"{link}/api/v1/alerts", token=False).status, (403, 404))


class Hosts(Case):
    options = ("--webhook-host", "hooks.example.org,localhost")

    def test_only_the_hosts_of_the_option(self):
        hook = self.receiver()
        answer = self.server.post_json("/api/v1/rules", {"name": "x", "kind": "rss", "bound": 1, "webhook": hook.url})
        self.assertEqual(answer.status, 403, answer.body)
        rule = self.rule(kind="rss", bound=1, webhook=f"http://localhost:{hook.port}/")
        self.assertTrue(self.server.call("POST", f"/api/v1/rules/{rule['number']}/test").json()["is_delivered"])


class Proxied(Case):
    options = ("--trust-proxy", "127.0.0.1")

    def test_a_server_that_others_reach_posts_to_no_private_address(self):
        hook = self.receiver()
        for host in ("127.0.0.1", "localhost", "10.255.255.1", "169.254.169.254", "0.0.0.0", "[::1]"):
            rule = self.rule(kind="rss", bound=1, webhook=f"http://{host}:{hook.port}/")
            answer = self.server.call("POST", f"/api/v1/rules/{rule['number']}/test").json()
            self.assertFalse(answer["is_delivered"], host)
            self.assertIn("may not go to", answer["answer"], host)
        self.assertTrue(hook.got.empty())


class Restart(Case):
    def test_what_was_not_told_is_told_by_the_next_server(self):
        hook = self.receiver((500, {}), (500, {}))
        first = self.server
        self.rule(kind="rss", bound=MIB, webhook=hook.url)
        session = Session(first)
        session.begin()
        session.rss([(1, 2 * MIB)])
        hook.take()
        wait_for(lambda: self.alerts(session)[0]["tries"] >= 1, "a first try")
        session.socket.close()
        first.restart()
        told = hook.take()[2]
        self.assertEqual(told["profile"], session.id)
        self.alert(session, "delivered")
        self.assertEqual(len(self.alerts(session)), 1)


if __name__ == "__main__":
    unittest.main()
