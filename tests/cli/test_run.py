"""`heliograph run` and `attach` on real programs, as a person uses them."""

import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import unittest
import urllib.error

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support import HELIOGRAPH, ROOT, Server, environment, get_json, heliograph, post_json, profile_script, pythons, report, say_missing, scratch, wait_for  # noqa: E402

SEVENTY = '''
import json, sys, time
spent = {"hot": 0, "warm": 0}
def hot(until):
    x = 0
    while time.process_time() < until:
        for i in range(2000):
            x += i * i
    return x
def warm(until):
    x = 0
    while time.process_time() < until:
        for i in range(2000):
            x ^= i
    return x
def main():
    begin = time.process_time()
    step = 0.05
    done = 0.0
    while done < 4.0:
        first = time.monotonic()
        hot(begin + done + 0.7 * step)
        second = time.monotonic()
        warm(begin + done + step)
        spent["hot"] += second - first
        spent["warm"] += time.monotonic() - second
        done += step
main()
if len(sys.argv) > 1:
    with open(sys.argv[1], "w") as out:
        json.dump(spent, out)
'''


def share(stats, name):
    total = stats["values"][0]["total"]
    return sum(f["self"] for f in stats["functions"] if f["name"].split(".")[-1] == name) / total


def server_of(run_pid):
    """The pid of the server that `run` has started, None while there is none."""
    found = subprocess.run(["pgrep", "-P", str(run_pid), "-f", "heliograph serve"], capture_output=True, text=True).stdout.split()
    return int(found[0]) if found else None


class Run(unittest.TestCase):
    def test_a_function_of_70_percent_shows_70_percent_on_every_python(self):
        say_missing()
        for label, python in pythons().items():
            with self.subTest(python=label), scratch() as folder:
                script = folder / "seventy.py"
                script.write_text(SEVENTY)
                stats, done = profile_script(folder, python, script, folder / "truth")
                self.assertEqual(done.returncode, 0, done.stderr)
                counted = re.search(r"(\d+) samples, (\d+) torn, (\d+) ticks missed", done.stderr)
                self.assertGreater(sum(map(int, counted.groups())), 350, "4 s of CPU at 100 Hz: each tick is a sample or counted")
                samples = stats["counts"]["samples"]
                self.assertGreater(samples, 50)
                # What the clock said of the two, and four standard errors of a binomial share. The program's period of
                # 50 ms is five intervals: samples at a fixed distance would always meet the same points of it.
                truth = json.loads((folder / "truth").read_text())
                wanted = truth["hot"] / sum(truth.values())
                found = share(stats, "hot") / (share(stats, "hot") + share(stats, "warm"))
                self.assertAlmostEqual(found, wanted, delta=4 * (wanted * (1 - wanted) / samples) ** 0.5 + 0.01)

    def test_the_top_function_is_the_one_cprofile_names(self):
        with scratch() as folder:
            script = folder / "work.py"
            script.write_text(
                "def inner(n):\n    t = 0\n    for i in range(n):\n        t += i % 7\n    return t\n"
                "def outer():\n    return sum(inner(60000) for _ in range(700))\nouter()\n")
            for label, python in pythons().items():
                with self.subTest(python=label):
                    stats, done = profile_script(folder, python, script)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    saved = folder / "c.prof"
                    subprocess.run([python, "-m", "cProfile", "-o", str(saved), str(script)], check=True)
                    theirs = report(folder, saved)
                    self.assertEqual(theirs["functions"][0]["name"], "inner")
                    self.assertEqual(stats["functions"][0]["name"].split(".")[-1], "inner")

    def test_options_that_cannot_be_are_refused_before_the_program_runs(self):
        with scratch() as folder:
            for options in (["--tag", "team"], ["--mode", "idle"], ["--memory", "some"], ["--interval", "1ms"], ["--rate", "0"]):
                done = heliograph(folder, "run", "--no-open", *options, "--", "touch", folder / "ran")
                self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)
                self.assertIn(options[0], done.stderr)
            self.assertFalse((folder / "ran").exists())

    def test_exit_code_and_signal_are_the_command_s_own(self):
        with scratch() as folder:
            saved = folder / "x.heliograph"
            for code, body, bye in ((3, "raise SystemExit(3)", b"\x10\x03"), (0, "pass", b""),
                                    (255, "raise SystemExit(-1)", b"\x10\xff\x01"),  # no signal 127
                                    (128 + signal.SIGTERM, "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
                                     b"\x10\xf1" + 8 * b"\xff" + b"\x01")):
                done = heliograph(folder, "run", "--no-open", "--save", saved, "--", sys.executable, "-c", body)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertTrue(saved.read_bytes().endswith(bye + b"\x1a\x06exited"), "the file's Bye has it, -15 for a signal")
            done = heliograph(folder, "run", "--no-open", "--save", folder / "x.heliograph", "--", "no-such-program-here")
            self.assertEqual(done.returncode, 127, done.stderr)
            self.assertIn("no-such-program-here", done.stderr)

    def test_the_program_sees_nothing_of_us(self):
        """Same descriptors, signal dispositions, environment and output as without."""
        body = ("import os, signal, sys; print(sorted(os.listdir('/proc/self/fd'))[:-1], "
                "signal.getsignal(signal.SIGPIPE), signal.pthread_sigmask(signal.SIG_BLOCK, []), "
                "open('/proc/self/status').read().split('SigIgn:')[1].split()[0], "
                "sorted(k for k in os.environ if 'HELIO' in k or 'PRELOAD' in k))")
        with scratch() as folder:
            command = [sys.executable, "-c", body]
            plain = subprocess.run(command, capture_output=True, text=True, env=environment(folder), stdin=subprocess.DEVNULL)
            done = heliograph(folder, "run", "--no-open", "--memory", "off", "--save", folder / "x.heliograph", "--", *command,
                              stdin=subprocess.DEVNULL)
            self.assertEqual(done.stdout, plain.stdout)

    def test_a_program_without_python_has_memory_and_a_reason(self):
        with scratch() as folder:
            saved = folder / "x.heliograph"
            done = heliograph(folder, "run", "--no-open", "--save", saved, "--", "sleep", "1")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("no stacks", done.stderr)
            stats = report(folder, saved)
            self.assertIn("rss", [s["name"] for s in stats["series"]])
            self.assertTrue(any("no stacks" in w for w in stats["warnings"]), stats["warnings"])

    def test_a_python_too_old_is_named_as_such(self):
        with scratch() as folder:
            old = folder / "python2.7"
            shutil.copy("/bin/sleep", old)
            done = heliograph(folder, "run", "--no-open", "--save", folder / "x.heliograph", "--", old, "1")
            self.assertIn("python2.7 is older than 3.8", done.stderr)

    def test_a_killed_server_comes_back_and_nothing_is_missing(self):
        with scratch() as folder:
            body = "import time\nend = time.time() + 6\nwhile time.time() < end: sum(range(1000))\nraise SystemExit(5)"
            with Server(folder, "--no-open", "--", sys.executable, "-c", body, command="run") as run:
                base, _, profile = run.url().partition("/p/")
                api = f"{base}/api/v1/profiles/{profile}"
                wait_for(lambda: get_json(api)["counters"].get("samples", 0) > 20, what="samples")
                os.kill(server_of(run.process.pid), signal.SIGKILL)
                wait_for(lambda: "started again at " + base in run.words(), what="another server")
                wait_for(lambda: get_json(api)["state"] == "complete", what="the end of the program")
                counters = get_json(api)["counters"]
                self.assertEqual(counters.get("dropped_batches", 0), 0)
                self.assertGreater(counters["samples"], 200, "of about 600, on a machine with other work too")
                self.assertEqual(run.stop(signal.SIGINT), 5)

    def test_a_server_that_keeps_dying_is_given_up_and_the_program_goes_on(self):
        with scratch() as folder:
            with Server(folder, "--no-open", "--", sys.executable, "-c", "import time; time.sleep(14); raise SystemExit(5)",
                        command="run") as run:
                run.url()
                killed = set()
                def kill_it():
                    pid = server_of(run.process.pid)
                    if pid and pid not in killed:
                        killed.add(pid)
                        os.kill(pid, signal.SIGKILL)
                    return "could not be started again" in run.words() or run.process.poll() is not None
                wait_for(kill_it, what="giving up")
                self.assertIn("the program goes on", run.words())
                self.assertEqual(run.process.wait(40), 5)

    def test_who_shares_a_server_takes_its_place_when_it_goes(self):
        with scratch() as folder:
            spin = "import sys, time\nend = time.time() + float(sys.argv[1])\nwhile time.time() < end: sum(range(1000))"
            with Server(folder, "--no-open", "--", sys.executable, "-c", spin, "60", command="run") as first:
                base = first.url().partition("/p/")[0]
                with Server(folder, "--no-open", "--", sys.executable, "-c", spin, "9", command="run") as second:
                    self.assertTrue(second.url().startswith(base + "/p/"), second.url())
                    first.stop(signal.SIGHUP)  # ends its program and its server
                    wait_for(lambda: "started again at " + base in second.words(), what="the second's own server")
                    api = f"{base}/api/v1/profiles/" + second.url().partition("/p/")[2]
                    wait_for(lambda: get_json(api)["state"] == "complete", what="the end of the program")
                    self.assertEqual(get_json(api)["counters"].get("dropped_batches", 0), 0)

    def test_pause_rate_and_end_can_be_changed_while_it_runs(self):
        spin = "import time\nend = time.time() + 120\nwhile time.time() < end: sum(range(1000))"
        with scratch() as folder:
            with Server(folder, "--no-open", "--", sys.executable, "-c", spin, command="run") as run:
                base, _, profile = run.url().partition("/p/")
                api = f"{base}/api/v1/profiles/{profile}"
                wait_for(lambda: get_json(api)["counters"].get("samples", 0) > 20, what="samples")
                run.process.send_signal(signal.SIGUSR1)
                wait_for(lambda: "sampling was paused here" in run.words(), what="the pause")
                done = heliograph(folder, "control", "--resume", "--rate", "50", profile)
                self.assertEqual(done.returncode, 0, done.stderr)
                wait_for(lambda: "sampling went on here" in run.words() and "at 50 Hz" in run.words(), what="the rate")
                run.process.send_signal(signal.SIGUSR2)
                wait_for(lambda: "at 100 Hz" in run.words(), what="the rate of the start")
                done = heliograph(folder, "control", "--stop", profile)
                self.assertEqual(done.returncode, 0, done.stderr)
                wait_for(lambda: get_json(api)["state"] == "complete", what="the end of the profile")
                self.assertIn("the program goes on", run.words())
                said = [n["code"] for n in get_json(api)["notices"]]
                self.assertEqual([c for c in said if c in ("paused", "resumed", "rate")],
                                 ["paused", "rate", "resumed", "rate"], said)
                self.assertEqual(heliograph(folder, "control", profile).returncode, 2, "it must be said what to do")
                self.assertEqual(heliograph(folder, "control", "--pause", profile).returncode != 0, True, "it has ended")
                run.stop(signal.SIGHUP)

    def test_threads_recursion_and_generators_are_told_apart(self):
        body = ("import threading, time\n"
                "def down(n):\n    if n == 0:\n        spin()\n    else:\n        down(n - 1)\n"
                "def spin():\n    end = time.time() + 0.6\n    while time.time() < end:\n        sum(range(2000))\n"
                "def numbers():\n    end = time.time() + 0.6\n    while time.time() < end:\n        yield sum(range(3000))\n"
                "def eat():\n    for _ in numbers():\n        pass\n"
                "t = threading.Thread(target=eat, name='eater')\nt.start()\ndown(30)\nt.join()\n")
        with scratch() as folder:
            script = folder / "shapes.py"
            script.write_text(body)
            for label, python in pythons().items():
                with self.subTest(python=label):
                    stats, done = profile_script(folder, python, script, options=["--rate", "200"])
                    self.assertEqual(done.returncode, 0, done.stderr)
                    by_name = {}
                    for f in stats["functions"]:
                        by_name.setdefault(f["name"].split(".")[-1], f)
                    self.assertGreater(by_name["down"]["total"], 0)
                    self.assertLessEqual(by_name["down"]["total"], stats["values"][0]["total"] * 0.75,
                                         "recursion is counted once a stack")
                    self.assertGreater(by_name["numbers"]["self"], 0)
                    self.assertGreaterEqual(by_name["eat"]["total"], by_name["numbers"]["total"])
                    self.assertGreaterEqual(stats["counts"]["threads"], 2)

    def test_live_session_is_served_while_it_runs_and_stays(self):
        with scratch() as folder:
            script = folder / "seventy.py"
            script.write_text(SEVENTY)
            with Server(folder, "--no-open", "--", sys.executable, script, command="run") as run:
                url = run.url()
                base, _, profile = url.partition("/p/")
                self.assertTrue(base.startswith("http://127.0.0.1:77"), url)
                api = f"{base}/api/v1/profiles/{profile}"
                first = wait_for(lambda: (lambda m: m if m["counters"].get("samples", 0) > 20 else None)(get_json(api)), what="samples")
                self.assertEqual(first["state"], "live")
                second = wait_for(lambda: (lambda m: m if m["rev"] > first["rev"] + 1 else None)(get_json(api)), what="updates")
                wait_for(lambda: get_json(api)["state"] == "complete", what="the end of the program")
                names = get_json(api + "/table")["columns"]["name"]
                self.assertIn("hot", names)
                self.assertIsNone(run.process.poll(), "it stays until Ctrl-C")
                self.assertEqual(run.stop(signal.SIGINT), 0)
            # It survives the server, and opens from its URL in the next.
            with Server(folder, "--listen", "127.0.0.1:0") as serve:
                again = get_json(f"{serve.url()}/api/v1/profiles/{profile}")
                self.assertEqual(again["state"], "complete")
                self.assertGreaterEqual(again["counters"]["samples"], second["counters"]["samples"])

    def test_the_code_is_read_from_the_program_s_machine_when_somebody_asks(self):
        with scratch() as folder:
            (folder / "inner").mkdir()
            script = folder / "inner/werk.py"
            script.write_text("# größer\n" + SEVENTY.replace("4.0", "20.0"))
            for allowed in (True, False):
                with self.subTest(allowed=allowed):
                    options = [] if allowed else ["--no-sources"]
                    with Server(folder, "--no-open", *options, "--", sys.executable, script, command="run") as run:
                        base, _, profile = run.url().partition("/p/")
                        api = f"{base}/api/v1/profiles/{profile}"
                        def hot():
                            columns = get_json(api + "/table")["columns"]
                            return columns["id"][columns["name"].index("hot")] if "hot" in columns["name"] else None
                        wait_for(lambda: get_json(api)["counters"].get("samples", 0) > 20, what="samples")
                        function = wait_for(hot, what="a function")
                        with self.assertRaises(urllib.error.HTTPError) as before:
                            get_json(f"{api}/source?function={function}")
                        before.exception.close()
                        self.assertEqual(before.exception.code, 404, "nothing is read before somebody asks")
                        self.assertEqual(post_json(api + "/control", {"source": function}), 204)
                        if allowed:
                            def text():
                                try:
                                    return get_json(f"{api}/source?function={function}")["text"]
                                except urllib.error.HTTPError as missing:
                                    missing.close()
                            self.assertEqual(wait_for(text, what="the code"), script.read_text())
                        else:
                            wait_for(lambda: [n for n in get_json(api)["notices"] if "--no-sources" in n["text"]], what="a refusal")
                        with self.assertRaises(urllib.error.HTTPError) as none:
                            post_json(api + "/control", {"source": 4000000})
                        none.exception.close()
                        self.assertEqual(none.exception.code, 404)
                        run.process.send_signal(signal.SIGHUP)
                        run.process.wait(30)

    def test_a_signal_to_us_reaches_the_program_and_the_profile_is_whole(self):
        """Also with allocations followed, whose thread runs before the program does."""
        body = "import time\nprint('ready', flush=True)\nwhile True:\n    sum(range(1000))\n"
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            with self.subTest(signal=number), scratch() as folder:
                saved = folder / "x.heliograph"
                run = subprocess.Popen([HELIOGRAPH, "run", "--no-open", "--save", saved, "--", sys.executable, "-c", body],
                                       env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                       # A shell starts what is to run in the background with SIGINT and SIGQUIT ignored.
                                       preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))  # noqa: B023
                self.assertEqual(run.stdout.readline(), "ready\n")
                time.sleep(0.5)
                run.send_signal(number)
                _, words = run.communicate(timeout=30)
                self.assertEqual(run.returncode, 128 + number, words)
                self.assertIn("saved to", words)
                self.assertGreater(report(folder, saved)["counts"]["samples"], 10)

    def test_keys_of_the_terminal_are_the_program_s(self):
        """Ctrl-C and Ctrl-\\ reach it once, from the terminal, and what it makes of them stands."""
        body = ("import signal, sys\n"
                "def told(number, frame):\n"
                "    print('told', number, flush=True)\n"
                "signal.signal(signal.SIGINT, told)\n"
                "signal.signal(signal.SIGQUIT, told)\n"
                "print('ready', flush=True)\n"
                "sys.exit(input())\n")
        with scratch() as folder:
            saved = folder / "x.heliograph"
            pid, terminal = pty.fork()
            if pid == 0:
                os.execve(HELIOGRAPH, [HELIOGRAPH, "run", "--no-open", "--save", saved, "--", sys.executable, "-c", body],
                          environment(folder))
            shown = b""

            def show_until(words):
                nonlocal shown
                while words not in shown:
                    self.assertTrue(select.select([terminal], [], [], 60)[0], shown)
                    shown += os.read(terminal, 65536)
            try:
                for keys, answer in ((None, b"ready"), (b"\x03", b"told 2"), (b"\x1c", b"told 3"), (b"bye\n", b"saved to")):
                    if keys:
                        os.write(terminal, keys)
                    show_until(answer)
            finally:
                os.close(terminal)  # hangs up, where something went wrong
                _, how = os.waitpid(pid, 0)
            self.assertEqual(os.waitstatus_to_exitcode(how), 1, shown)
            self.assertEqual(shown.count(b"told"), 2, shown)

    def test_the_browser_has_its_signals(self):
        """One that inherits our blocked SIGTERM could not be ended."""
        with scratch() as folder:
            browser = folder / "xdg-open"
            browser.write_text(f"#!{sys.executable}\nimport signal\n"
                               f"open({str(folder / 'half')!r}, 'w').write(str(signal.pthread_sigmask(signal.SIG_BLOCK, [])))\n"
                               f"import os; os.rename({str(folder / 'half')!r}, {str(folder / 'mask')!r})\n")
            browser.chmod(0o755)
            settings = environment(folder) | {"DISPLAY": ":0", "PATH": f"{folder}:{os.environ['PATH']}"}
            pid, terminal = pty.fork()
            if pid == 0:
                os.execve(HELIOGRAPH, [HELIOGRAPH, "run", "--", sys.executable, "-c", "input()"], settings)
            try:
                self.assertEqual(wait_for(lambda: (folder / "mask").exists() and (folder / "mask").read_text(), what="the mask"),
                                 "set()")
            finally:
                os.close(terminal)
                os.waitpid(pid, 0)

    def test_two_runs_at_the_same_moment_share_one_server(self):
        with scratch() as folder:
            command = [HELIOGRAPH, "run", "--no-open", "--", sys.executable, "-c", "import time; time.sleep(3)"]
            words = [open(folder / f"{n}.err", "w+") for n in range(3)]
            runs = [subprocess.Popen(command, env=environment(folder), stderr=w, stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL) for w in words]
            try:
                def addresses():
                    texts = [pathlib.Path(w.name).read_text() for w in words]
                    found = [t.partition("live at ")[2].partition("/p/")[0] for t in texts]
                    return found if all(found) else None
                self.assertEqual(len(set(wait_for(addresses, what="three addresses"))), 1)
            finally:
                for run in runs:
                    run.send_signal(signal.SIGHUP)  # ends the program, and does not stay for a viewer
                for run in runs:
                    run.wait(30)
                for w in words:
                    w.close()

    def test_attach_follows_a_running_process_and_leaves_it_running(self):
        with scratch() as folder:
            body = "import time\ndef busy():\n    while True:\n        sum(range(1000))\nbusy()\n"
            target = subprocess.Popen([sys.executable, "-c", body])
            try:
                time.sleep(0.5)
                saved = folder / "a.heliograph"
                done = heliograph(folder, "attach", "--no-open", "--duration", "2", "--save", saved, target.pid)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIsNone(target.poll(), "the process goes on")
                stats = report(folder, saved)
                self.assertEqual(stats["functions"][0]["name"].split(".")[-1], "busy")
            finally:
                target.kill()
                target.wait()
            done = heliograph(folder, "attach", "--no-open", "--save", folder / "b", target.pid)
            self.assertEqual(done.returncode, 3, done.stderr)

    def test_killing_the_collector_leaves_the_program_and_an_interrupted_profile(self):
        with scratch() as folder:
            marker = folder / "finished"
            body = f"import time\nend = time.time() + 4\nwhile time.time() < end:\n    sum(range(1000))\nopen({str(marker)!r}, 'w').close()\n"
            with Server(folder, "--listen", "127.0.0.1:0") as serve:
                base = serve.url()
                run = subprocess.Popen([HELIOGRAPH, "run", "--no-open", "--server", base, "--", sys.executable, "-c", body],
                                       env=environment(folder), stderr=subprocess.DEVNULL)
                profile = wait_for(lambda: [p for p in get_json(f"{base}/api/v1/profiles")["profiles"] if p["samples"] > 50], what="samples")[0]
                run.kill()
                run.wait()
                state = wait_for(lambda: (lambda s: s if s != "live" else None)(
                    get_json(f"{base}/api/v1/profiles/{profile['id']}")["state"]), what="the end of the session")
                self.assertEqual(state, "interrupted")
                wait_for(marker.exists, what="the program's own end")


if __name__ == "__main__":
    unittest.main(verbosity=1)
