"""Notes pinned to a profile: kept, carried by links, gone with it."""

import unittest

from served import Server

TOKEN = "n7" * 24
FOLDED = b"main;work 7\nmain;rest 3\n"


class Notes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(token=TOKEN)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        self.id = self.server.upload(FOLDED).json()["id"]
        self.path = f"/api/v1/profiles/{self.id}/notes"

    def notes(self):
        return self.server.get(self.path).json()["notes"]

    def test_a_note_is_kept_as_it_was_written(self):
        self.assertEqual(self.notes(), [])
        text = "</script><b>why?\u202e größer\n- twice"
        first = self.server.post_json(self.path, {"text": text, "function": 2, "from_s": 0.5, "to_s": 1.25})
        self.assertEqual(first.status, 201, first.body)
        second = self.server.post_json(self.path, {"text": "whole"})
        self.assertEqual(second.status, 201, second.body)
        kept = self.notes()
        self.assertEqual([(n["text"], n["function"], n["from_s"], n["to_s"]) for n in kept], [(text, 2, 0.5, 1.25), ("whole", None, None, None)])
        self.assertEqual(kept[0], first.json())
        self.assertEqual(self.server.call("DELETE", f"{self.path}/{kept[0]['number']}").status, 204)
        self.assertEqual([n["text"] for n in self.notes()], ["whole"])
        self.assertEqual(self.server.call("DELETE", f"{self.path}/{kept[0]['number']}").status, 404)

    def test_what_is_no_note_is_refused(self):
        for bad in ({}, {"text": ""}, {"text": 5}, {"text": "x", "function": -1}, {"text": "x", "from_s": 2, "to_s": 1},
                    {"text": "x", "from_s": 2}, {"text": "x", "function": "main"}):
            self.assertEqual(self.server.post_json(self.path, bad).status, 400, bad)
        self.assertEqual(self.server.post_json(self.path, {"text": "x" * 5000}).status, 413)
        self.assertEqual(self.server.post_json("/api/v1/profiles/aaaaaaaaaaaaaaaa/notes", {"text": "x"}).status, 404)
        self.assertEqual(self.server.get("/api/v1/profiles/aaaaaaaaaaaaaaaa/notes").status, 404)
        for number in ("0", "-1", "99999999999999999999", "x"):
            self.assertEqual(self.server.call("DELETE", f"{self.path}/{number}").status, 404, number)
        self.assertEqual(self.notes(), [])

    def test_a_note_of_another_profile_is_not_taken_away(self):
        number = self.server.post_json(self.path, {"text": "mine"}).json()["number"]
        other = self.server.upload(b"a;b 1\n").json()["id"]
        self.assertEqual(self.server.call("DELETE", f"/api/v1/profiles/{other}/notes/{number}").status, 404)
        self.assertEqual(len(self.notes()), 1)

    def test_a_link_carries_notes_and_a_redacted_one_does_not(self):
        self.server.post_json(self.path, {"text": "on /home/somebody"})
        for redact, texts in ((False, ["on /home/somebody"]), (True, [])):
            link = self.server.post_json(f"/api/v1/profiles/{self.id}/shares", {"redact": redact}).json()["url"]
            answer = self.server.call("GET", link + self.path, token=False)
            self.assertEqual(answer.status, 200)
            self.assertEqual([n["text"] for n in answer.json()["notes"]], texts)
            written = self.server.call("POST", link + self.path, b'{"text":"x"}', {"Content-Type": "application/json"}, token=False)
            self.assertEqual(written.status, 403)

    def test_notes_go_with_their_profile(self):
        self.server.post_json(self.path, {"text": "x"})
        self.assertEqual(self.server.call("DELETE", f"/api/v1/profiles/{self.id}").status, 204)
        self.assertEqual(self.server.get(self.path).status, 404)

    def test_at_most_500_of_one_profile(self):
        for i in range(500):
            self.assertEqual(self.server.post_json(self.path, {"text": str(i)}).status, 201)
        self.assertEqual(self.server.post_json(self.path, {"text": "one more"}).status, 413)


if __name__ == "__main__":
    unittest.main()
