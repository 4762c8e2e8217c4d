"""The questions and actions of docs/api.md, asked of a real server."""

import concurrent.futures
import json
import gzip
import http.client
import re
import struct
import unittest

from served import ROOT, Server

FOLDED = b"main;work;leaf 7\nmain;rest 3\nmain;work 2\n"
EVIL = ["</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\u202egnp.exe", "a\u2028b", "quote\"back\\slash", "x" * 1_000_000]


class Api(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.id = cls.server.upload(FOLDED, "small.folded").json()["id"]

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def ask(self, question, profile=None):
        answer = self.server.get(f"/api/v1/profiles/{profile or self.id}/{question}")
        self.assertEqual(answer.status, 200, answer.body[:500])
        return answer

    def function(self, name):
        columns = self.ask("table").json()["columns"]
        return columns["id"][columns["name"].index(name)]

    # ---- two profiles ----

    def test_two_profiles_are_compared(self):
        slower = self.server.upload(b"main;work;leaf 70\nmain;rest 3\nmain;work 2\n", "slower").json()["id"]
        answer = self.server.get(f"/api/v1/diff?base={self.id}&target={slower}&top=1")
        self.assertEqual(answer.status, 200, answer.body[:300])
        told = answer.json()
        self.assertEqual((told["base_profile"], told["target_profile"]), (self.id, slower))
        self.assertEqual(len(told["functions"]), 1)
        leaf = told["functions"][0]
        self.assertEqual((leaf["name"], leaf["self"]["base"], leaf["self"]["target"], leaf["is_regression"]), ("leaf", 7, 70, True))
        same = self.server.get(f"/api/v1/diff?base={self.id}&target={self.id}").json()
        self.assertEqual((same["counts"]["same"], same["counts"]["regressions"]), (4, 0))

    def test_two_profiles_are_drawn_over_each_other(self):
        slower = self.server.upload(b"main;work;leaf 70\nmain;work 2\nmain;new 1\n", "slower").json()["id"]
        question = f"/api/v1/diff/flame?base={self.id}&target={slower}"
        told = self.server.get(question + "&format=json").json()
        head, rows = told["head"], told["rows"]
        names = {}
        for row in rows:
            for x0, x1, f, base in zip(row["x0"], row["x1"], row["function"], row["base"]):
                names[head["functions"]["name"][f]] = (base * head["scale"], (x1 - x0 - base) * head["scale"])
        self.assertEqual(names, {"all": (12, 73), "main": (12, 73), "work": (9, 72), "leaf": (7, 70), "rest": (3, 0), "new": (0, 1)})
        binary = self.server.get(question).body
        length = int.from_bytes(binary[4:8], "little")
        self.assertEqual(binary[:4], b"HGD1")
        self.assertEqual(json.loads(binary[8:8 + length]), head)
        columns = 5 if head["flags"] else 4
        self.assertEqual(len(binary), 8 + length + 4 * columns * head["nodes"])
        at = 8 + length
        for row in rows:
            for name in ("x0", "x1", "function", "base") + (("flags",) if head["flags"] else ()):
                size = 4 * len(row["x0"])
                self.assertEqual([int.from_bytes(binary[i:i + 4], "little") for i in range(at, at + size, 4)], row[name])
                at += size

    def test_benchmarks_are_told_over_all_uploads(self):
        def run(day, mean):
            stats = {"min": mean, "max": mean, "mean": mean, "stddev": mean / 50, "median": mean, "rounds": 20, "iterations": 1}
            return json.dumps({"machine_info": {"node": "here"}, "commit_info": {"id": f"c{day}"}, "datetime": f"2026-01-0{day}T00:00:00",
                               "benchmarks": [{"name": "test_it", "fullname": "t.py::test_it", "stats": stats}], "version": "4"}).encode()
        ids = [self.server.upload(run(day, mean), f"run{day}").json()["id"] for day, mean in ((2, 0.2), (1, 0.1))]
        told = self.server.get("/api/v1/benchmarks").json()
        self.assertEqual([r["id"] for r in told["runs"]], ids[::-1])
        self.assertEqual([r["commit"] for r in told["runs"]], ["c1", "c2"])
        points = told["benchmarks"][0]["points"]
        self.assertEqual([p.get("mark") for p in points], [None, "slower"])
        self.assertAlmostEqual(points[1]["change"], 1)
        self.assertEqual(told["counts"], {"runs": 2, "benchmarks": 1, "regressions": 1})
        self.assertEqual(self.server.get("/api/v1/benchmarks?limit=x").status, 400)
        self.assertEqual(self.server.get("/benchmarks").status, 200)

    def test_a_comparison_that_cannot_be_made_is_refused(self):
        for question, status in (("", 400), (f"base={self.id}", 400), (f"base={self.id}&target=aaaaaaaaaaaaaaaa", 404),
                                 (f"base={self.id}&target=../x", 404), (f"base={self.id}&target={self.id}&normalise=both", 400),
                                 (f"base={self.id}&target={self.id}&normalise=ncalls", 422), (f"base={self.id}&target={self.id}&top=x", 400)):
            self.assertEqual(self.server.get("/api/v1/diff?" + question).status, status, question)

    # ---- library ----

    def test_an_upload_is_listed_and_told(self):
        answer = self.server.upload(FOLDED, "listed%20one")
        self.assertEqual(answer.status, 201)
        told = answer.json()
        self.assertEqual(told["url"], "/p/" + told["id"])
        rows = self.server.get("/api/v1/profiles?q=listed%20one").json()["profiles"]
        self.assertEqual([r["id"] for r in rows], [told["id"]])
        self.assertEqual(rows[0]["name"], "listed one")
        self.assertEqual(rows[0]["state"], "imported")
        one = self.server.get("/api/v1/profiles/" + told["id"]).json()
        self.assertEqual(one["values"][0]["total"], 12)
        self.assertTrue(one["values"][0]["default"])
        self.assertEqual(one["shapes"], ["stacks"])
        self.assertIn("58 % in leaf", one["summary"])

    def test_sources_come_with_a_profile(self):
        def form(text):
            head = b'--b\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n%s\r\n'
            body = head % (b"source", b"app.py", text) + head % (b"source", b"other.py", b"never") + head % (b"file", b"a.folded", b"main (app.py:3);work (app.py:7) 5\n")
            return self.server.call("POST", "/api/v1/profiles", body + b"--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"})

        answer = form("déjà\n".encode())
        self.assertEqual(answer.status, 201, answer.body)
        base = f"/api/v1/profiles/{answer.json()['id']}"
        functions = self.server.get(base + "/table").json()["columns"]["id"]
        for function in functions:
            source = self.server.get(f"{base}/source?function={function}").json()
            self.assertEqual((source["file"], source["text"]), ("app.py", "déjà\n"))
        before = len(self.server.get("/api/v1/profiles?limit=500").json()["profiles"])
        self.assertEqual(form(b"x" * (1 << 20) + b"x").status, 413)
        self.assertEqual(len(self.server.get("/api/v1/profiles?limit=500").json()["profiles"]), before)

    def test_the_list_goes_on_where_its_cursor_says(self):
        for i in range(5):
            self.server.upload(FOLDED, f"paged{i}")
        seen, cursor = [], ""
        for _ in range(10):
            page = self.server.get(f"/api/v1/profiles?q=paged&limit=2&cursor={cursor}").json()
            seen += [r["name"] for r in page["profiles"]]
            cursor = page["next"]
            if not cursor:
                break
        self.assertEqual(sorted(seen), [f"paged{i}" for i in range(5)])

    def test_a_profile_is_renamed_tagged_and_deleted(self):
        profile = self.server.upload(FOLDED, "before").json()["id"]
        path = "/api/v1/profiles/" + profile
        self.assertEqual(self.server.post_json(path, {"name": "after", "tags": {"branch": "main"}}, "PATCH").status, 204)
        one = self.server.get(path).json()
        self.assertEqual((one["name"], one["tags"]), ("after", {"branch": "main"}))
        rows = self.server.get("/api/v1/profiles?tag=branch=main").json()["profiles"]
        self.assertEqual([r["id"] for r in rows], [profile])
        self.assertEqual(self.server.call("DELETE", path).status, 204)
        self.assertEqual(self.server.get(path).status, 404)
        self.assertEqual(self.server.get(path + "/flame").status, 404)
        self.assertEqual(self.server.call("DELETE", path).status, 404)

    def test_changes_of_the_wrong_kind_get_400(self):
        path = "/api/v1/profiles/" + self.id
        for value in ({"name": 5}, {"tags": ["a"]}, {"tags": {"a": 1}}, [1]):
            self.assertEqual(self.server.post_json(path, value, "PATCH").status, 400, value)
        self.assertEqual(self.server.call("PATCH", path, b"{", {"Content-Type": "application/json"}).status, 400)

    def test_ids_that_are_none_get_404(self):
        for bad in ("nothing", "AAAAAAAAAAAAAAAA", "aaaaaaaaaaaaaaaa", "a" * 17, "%27", "..%2f..", "aaaaaaaaaaaaaaa1"):
            answer = self.server.get(f"/api/v1/profiles/{bad}")
            self.assertEqual(answer.status, 404, bad)
            self.assertEqual(answer.error()["code"], "not_found")

    # ---- uploads that cannot be read ----

    def test_an_unknown_file_gets_422_and_words(self):
        answer = self.server.upload(b"\x00\x01\x02 this is no profile")
        self.assertEqual(answer.status, 422)
        self.assertEqual(answer.error()["code"], "unsupported")
        self.assertGreater(len(answer.error()["message"]), 20)

    def test_a_broken_archive_gets_400_and_a_damaged_profile_422(self):
        packed = gzip.compress(FOLDED)
        self.assertEqual(self.server.upload(packed).status, 201)
        self.assertEqual(self.server.upload(packed[:12] + b"\xff" * 20 + packed[32:]).status, 400)
        before = self.server.get("/api/v1/profiles?limit=500").json()["profiles"]
        self.assertEqual(self.server.upload(b"{" + b"\xfb" * 40).status, 422)
        self.assertEqual(len(self.server.get("/api/v1/profiles?limit=500").json()["profiles"]), len(before))

    # ---- flame ----

    def binary_flame(self, query=""):
        data = self.ask("flame" + query).body
        self.assertEqual(data[:4], b"HGF1")
        length = struct.unpack_from("<I", data, 4)[0]
        self.assertEqual((8 + length) % 8, 0)
        head = json.loads(data[8:8 + length])
        at, rows = 8 + length, []
        for n in head["rows"]:
            row = {}
            for column in ["x0", "x1", "function"] + (["flags"] if head["flags"] else []):
                row[column] = list(struct.unpack_from(f"<{n}I", data, at))
                at += 4 * n
            rows.append(row)
        self.assertEqual(at, len(data))
        return head, rows

    def test_the_flame_s_binary_and_json_forms_agree(self):
        head, rows = self.binary_flame()
        same = self.ask("flame?format=json").json()
        self.assertEqual(same["head"], head)
        self.assertEqual(same["rows"], rows)
        self.assertEqual(head["rows"], [1, 1, 2, 1])
        self.assertEqual(head["total"], 12)
        names = [head["functions"]["name"][f] for f in rows[2]["function"]]
        self.assertEqual(names, ["work", "rest"])
        widths = [(b - a) * head["scale"] for a, b in zip(rows[2]["x0"], rows[2]["x1"])]
        self.assertEqual(widths, [9, 3])

    def test_the_flame_takes_its_parameters(self):
        head, rows = self.binary_flame("?invert=1")
        self.assertEqual([head["functions"]["name"][f] for f in rows[1]["function"]], ["leaf", "rest", "work"])
        head, _ = self.binary_flame("?depth=1")
        self.assertEqual((len(head["rows"]), head["truncated_depth"]), (2, 1))
        head, _ = self.binary_flame("?min=0.3")
        self.assertEqual(head["pruned"], 1)
        head, rows = self.binary_flame(f"?focus={self.function('work')}")
        self.assertEqual(head["total"], 9)
        head, rows = self.binary_flame(f"?hide={self.function('work')}")
        self.assertEqual([head["functions"]["name"][f] for f in rows[2]["function"]], ["leaf", "rest"])

    def test_the_flame_groups_folds_and_hides_modules(self):
        head, rows = self.binary_flame("?group=module")
        self.assertEqual(head["total"], 12)
        self.assertEqual(len(rows), 2)
        head, _ = self.binary_flame("?collapse=1")
        self.assertEqual(head["total"], 12)
        head, rows = self.binary_flame(f"?hidemod={self.function('work')}")
        self.assertEqual(len(rows), 1, "these frames name no module: they are one")

    def test_the_flame_in_order_of_time_has_a_lane_a_thread(self):
        shared = {"frames": [{"name": "main"}, {"name": "work"}, {"name": "rest"}]}
        samples = [[0, 1], [0, 1], [0, 2]]
        told = {"type": "sampled", "name": "one", "unit": "milliseconds", "startValue": 0, "endValue": 9,
                "samples": samples, "weights": [2, 2, 5]}
        schema = "https://www.speedscope.app/file-format-schema.json"
        body = json.dumps({"$schema": schema, "shared": shared, "profiles": [told]}).encode()
        profile = self.server.upload(body, "timed").json()["id"]
        path = f"/api/v1/profiles/{profile}/flame?order=time&format=json"
        answer = self.server.get(path).json()
        self.assertEqual(answer["head"]["order"], "time")
        self.assertEqual([lane["rows"] for lane in answer["head"]["lanes"]], [3])
        row = answer["rows"][2]
        names = [answer["head"]["functions"]["name"][f] for f in row["function"]]
        self.assertEqual(names, ["work", "rest"])
        self.assertEqual(row["x1"][0] * answer["head"]["scale"], 4e6)
        self.assertEqual(self.server.get(path + "&pixels=99999999").status, 400)
        refused = self.server.get(f"/api/v1/profiles/{self.id}/flame?order=time")
        self.assertEqual(refused.status, 422)
        self.assertIn("when its samples were taken", refused.error()["message"])

    def test_parameters_that_mean_nothing_get_400(self):
        for query in ("order=up", "group=colour", "hidemod=x", "min=x", "min=2", "depth=-1", "from=now", "thread=a", "state=asleep", "focus=x", "limit=1e3"):
            question = "table" if query.startswith("limit") else "flame"
            answer = self.server.get(f"/api/v1/profiles/{self.id}/{question}?{query}")
            self.assertEqual(answer.status, 400, query)
            self.assertEqual(answer.error()["code"], "invalid")

    def test_an_unknown_value_gets_404_with_those_there_are(self):
        answer = self.server.get(f"/api/v1/profiles/{self.id}/flame?value=heap")
        self.assertEqual(answer.status, 404)

    # ---- the other questions ----

    def test_the_table_has_a_column_for_each_number(self):
        table = self.ask("table").json()
        self.assertEqual(table["shape"], "stacks")
        columns = table["columns"]
        row = columns["name"].index("work")
        self.assertEqual((columns["self"][row], columns["total"][row]), (2, 9))
        self.assertEqual({len(c) for c in columns.values()}, {table["rows"]})
        self.assertEqual(self.ask("table?limit=1&sort=total").json()["columns"]["name"], ["main"])
        self.assertEqual(self.ask("table?q=REST").json()["columns"]["name"], ["rest"])
        self.assertEqual(self.server.get(f"/api/v1/profiles/{self.id}/table?sort=zzz").status, 400)

    def test_callers_and_callees(self):
        answer = self.ask(f"callers?function={self.function('work')}").json()
        self.assertEqual([(c["name"], c["total"]) for c in answer["callers"]], [("main", 9)])
        self.assertEqual([(c["name"], c["total"]) for c in answer["callees"]], [("leaf", 7)])
        self.assertEqual(self.server.get(f"/api/v1/profiles/{self.id}/callers").status, 400)
        self.assertEqual(self.server.get(f"/api/v1/profiles/{self.id}/callers?function=99999").status, 404)

    def test_lines_and_source(self):
        self.assertIn("lines", self.ask(f"lines?function={self.function('work')}").json())
        answer = self.server.get(f"/api/v1/profiles/{self.id}/source?function={self.function('work')}")
        self.assertEqual(answer.status, 404)

    def test_series_spans_activity_and_stats(self):
        self.assertEqual(self.ask("series").json()["series"], [])
        self.assertEqual(self.ask("series?name=rss&process=all&points=10").json()["series"], [])
        self.assertEqual(self.ask("spans").json()["spans"], [])
        self.assertEqual(self.ask("activity?buckets=7").json()["buckets"], 7)
        stats = self.ask("stats?top=1").json()
        self.assertEqual([f["name"] for f in stats["functions"]], ["leaf"])
        self.assertEqual(stats["values"][0]["total"], 12)

    def test_the_page_can_ask_again_for_nothing(self):
        first = self.ask("flame")
        again = self.server.get(f"/api/v1/profiles/{self.id}/flame", If_None_Match=first.headers["etag"])
        self.assertEqual((again.status, again.body), (304, b""))

    def metric(self, name):
        return float(re.search(rb"^heliograph_%s (\S+)$" % name.encode(), self.server.get("/metrics").body, re.M).group(1))

    def test_many_who_ask_the_same_cost_one_answer(self):
        profile = self.server.upload(FOLDED + b"main;asked by many 1\n").json()["id"]
        before = self.metric("kept_answers_total")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: self.ask("flame?min=0.25", profile).body, range(8)))
        self.assertEqual(set(answers), {answers[0]})
        self.assertEqual(self.metric("kept_answers_total") - before, 7)
        self.assertNotEqual(self.ask("flame?min=0", profile).body, answers[0], "another question")
        self.assertNotEqual(self.ask("flame?min=0.25").body, answers[0], "another profile")

    def test_large_answers_are_packed_for_those_who_can_unpack(self):
        lines = b"".join(b"main;f%d;g%d 1\n" % (i % 50, i) for i in range(2000))
        profile = self.server.upload(lines).json()["id"]
        path = f"/api/v1/profiles/{profile}/table"
        plain = self.server.get(path)
        packed = self.server.get(path, Accept_Encoding="br, gzip")
        self.assertEqual(packed.headers["content-encoding"], "gzip")
        self.assertEqual(gzip.decompress(packed.body), plain.body)
        self.assertNotIn("content-encoding", plain.headers)
        self.assertNotIn("content-encoding", self.server.get(path, Accept_Encoding="gzip;q=0").headers)

    def test_head_answers_like_get_without_the_body(self):
        whole = self.ask("table")
        head = self.server.call("HEAD", f"/api/v1/profiles/{self.id}/table")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(head.headers["content-length"], whole.headers["content-length"])

    def test_an_export_is_an_attachment_named_by_the_id_only(self):
        answer = self.ask("export?format=folded")
        self.assertEqual(sorted(answer.body.splitlines()), sorted(FOLDED.splitlines()))
        self.assertRegex(answer.headers["content-disposition"], rf'^attachment; filename="{self.id}\.[a-z.]+"$')
        self.assertEqual(self.server.get(f"/api/v1/profiles/{self.id}/export?format=exe").status, 400)
        self.assertEqual(self.server.get(f"/api/v1/profiles/{self.id}/export").status, 400)

    def test_control_of_a_profile_that_is_not_live_gets_409(self):
        path = f"/api/v1/profiles/{self.id}/control"
        self.assertEqual(self.server.post_json(path, {"paused": True}).status, 409)
        self.assertEqual(self.server.post_json(path, {"paused": 1}).status, 400)
        self.assertEqual(self.server.post_json(path, {}).status, 400)
        self.assertEqual(self.server.post_json(path, {"rate_hz": -1}).status, 400)
        self.assertEqual(self.server.post_json("/api/v1/profiles/aaaaaaaaaaaaaaaa/control", {"stop": True}).status, 404)

    # ---- names from elsewhere ----

    def test_foreign_names_arrive_whole_and_cannot_leave_a_script_element(self):
        data = "".join(f"main;{name.replace(';', ',')} {i + 1}\n" for i, name in enumerate(EVIL)).encode()
        profile = self.server.upload(data, "%3C/script%3E%3Cscript%3E").json()["id"]
        table = self.ask("table", profile)
        self.assertNotIn(b"</script", table.body)
        self.assertNotIn("\u2028".encode(), table.body)
        names = table.json()["columns"]["name"]
        for name in EVIL[:-1]:
            self.assertIn(name.replace(";", ","), names)
        for question in ("flame?format=json", "stats", "callers?function=1"):
            self.assertNotIn(b"<", self.ask(question, profile).body, question)
        self.assertNotIn(b"<script", self.server.get("/api/v1/profiles").body)

    def test_a_nul_in_a_name_is_kept_out_of_harm(self):
        profile = self.server.upload(b"main;a\x00b 5\n").json().get("id")
        if profile:
            self.assertEqual(self.ask("table", profile).json()["columns"]["total"], [5, 5])

    # ---- about ----

    def test_health_and_readiness(self):
        self.assertEqual(self.server.get("/healthz").json()["status"], "ok")
        self.assertEqual(self.server.get("/readyz").json()["status"], "ready")

    def test_metrics_are_prometheus_text(self):
        answer = self.server.get("/metrics")
        self.assertEqual(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        values = {}
        for line in answer.body.decode().splitlines():
            if not line.startswith("#"):
                self.assertRegex(line, r'^heliograph_[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [-0-9.e+]+$')
                values[line.split(" ")[0]] = float(line.rsplit(" ", 1)[1])
        self.assertGreater(values["heliograph_uploads_total"], 0)
        self.assertGreater(values["heliograph_process_resident_bytes"], 1e6)
        self.assertGreater(values["heliograph_store_file_bytes"], 1000)

    def test_assets_are_immutable_and_the_page_is_not(self):
        page = self.server.get("/")
        self.assertEqual(page.headers["cache-control"], "no-cache")
        self.assertEqual(self.server.get("/p/" + self.id).body, page.body)
        for path in re.findall(rb'(?:src|href)="(/assets/[^"]+)"', page.body):
            asset = self.server.get(path.decode())
            self.assertEqual(asset.status, 200, path)
            self.assertIn("immutable", asset.headers["cache-control"])
            packed = self.server.get(path.decode(), Accept_Encoding="gzip")
            if "content-encoding" in packed.headers:
                self.assertEqual(gzip.decompress(packed.body), asset.body)

    def test_openapi_names_exactly_the_routes_of_the_server(self):
        document = self.server.get("/openapi.json").json()
        source = (ROOT / "backend/api/api.c").read_text()
        routes = set()
        for method, path in re.findall(r'^    \{"(GET|POST|PATCH|PUT|DELETE)",\s*((?:PROFILE)?\s*(?:"[^"]*")?),', source, re.M):
            path = path.replace("PROFILE", '"/api/v1/profiles/{}"').replace('"', "").replace(" ", "")
            routes.add((method.lower(), path.replace("{}", "{id}", 1).replace("{}", "{number}")))
        page = {("get", p) for p in ("/", "/alerts", "/benchmarks", "/p/{id}", "/d/{id}", "/assets/{*}", "/{id}", "/s/{id}")}
        described = {(method, path) for path, methods in document["paths"].items() for method in methods if method != "servers"}
        self.assertEqual(described, routes - page)
        for path, methods in document["paths"].items():
            for method in set(methods) - {"servers"}:
                answer = self.server.call(method.upper(), path.replace("{id}", "aaaaaaaaaaaaaaaa"))
                self.assertNotIn(answer.status, (405, 500), (method, path))

    def test_answers_have_what_openapi_says_they_have(self):
        document = self.server.get("/openapi.json").json()
        for path, methods in document["paths"].items():
            if "get" not in methods or path.endswith(("/source", "/export", "/metrics", "/memory", "/leaks", "/share")):
                continue
            schema = next((c.get("schema", {}) for c in methods["get"]["responses"]["200"].get("content", {}).values()), {})
            while "$ref" in schema:
                schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
            if "required" not in schema:
                continue
            url = path.replace("{id}", self.id) + (f"?function={self.function('work')}" if path.endswith(("callers", "lines")) else "")
            if "/diff" in path:
                url += f"?base={self.id}&target={self.id}"
            answer = self.server.get(url).json()
            self.assertFalse([k for k in schema["required"] if k not in answer], url)

    def test_many_uploads_at_once_all_arrive(self):
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda i: self.server.upload(b"main;f%d 1\n" % i, f"crowd{i}"), range(40)))
        self.assertEqual({a.status for a in answers}, {201})
        self.assertEqual(len({a.json()["id"] for a in answers}), 40)

    def test_half_open_requests_do_not_hold_up_others(self):
        import socket
        stuck = [socket.create_connection((self.server.host, self.server.port)) for _ in range(30)]
        for s in stuck:
            s.sendall(f"POST /api/v1/profiles HTTP/1.1\r\nHost: {self.server.authority()}\r\nContent-Type: application/octet-stream\r\nContent-Length: 100\r\n\r\nmain".encode())
        self.assertEqual(self.server.get("/healthz").status, 200)
        for s in stuck:  # the answer did not wait for any of them to be given up
            s.setblocking(False)
            self.assertRaises(BlockingIOError, s.recv, 1)
            s.close()


if __name__ == "__main__":
    unittest.main()
