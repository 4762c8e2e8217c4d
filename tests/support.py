"""What the tests that drive the real program share: finding Pythons, running heliograph, waiting."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
HELIOGRAPH = os.environ.get("HELIOGRAPH", str(ROOT / "build/release/heliograph"))


def pythons():
    """Every CPython that stacks are promised for: {"3.8": path, ...}; from HELIOGRAPH_PYTHONS
    (colon-separated), pyenv, and the PATH."""
    found = {}
    places = [pathlib.Path(p) for p in os.environ.get("HELIOGRAPH_PYTHONS", "").split(":") if p]
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv")) / "versions"
    if pyenv.is_dir():
        places += sorted(pyenv.glob("3.*/bin/python3"))
    places += [pathlib.Path("/usr/bin/python3")]
    for path in places:
        if not path.exists():
            continue
        say = ("import sys, sysconfig; print('%d.%d.%d' % sys.version_info[:3]"
               " + 't' * bool(sysconfig.get_config_var('Py_GIL_DISABLED')), sys.executable,"
               " 'debug' if hasattr(sys, 'gettotalrefcount') else '')")
        done = subprocess.run([str(path), "-c", say], capture_output=True, text=True)
        if done.returncode:
            continue
        version, executable, *kind = done.stdout.split()
        major, minor = (int(n) for n in version.rstrip("t").split(".")[:2])
        if (major, minor) < (3, 8):
            continue
        label = " ".join([version, *kind]) + (" (Debian)" if str(path) == "/usr/bin/python3" else "")
        found[label] = executable if str(path) == "/usr/bin/python3" else str(path)
    return found


WANTED = ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"]


def say_missing():
    """Loudly: which of the promised versions are not on this machine."""
    have = {".".join(label.split()[0].split(".")[:2]) for label in pythons()}
    for wanted in WANTED:
        if wanted not in have:
            print(f"SKIP: there is no CPython {wanted} on this machine; set HELIOGRAPH_PYTHONS", flush=True)


@contextlib.contextmanager
def scratch():
    folder = tempfile.mkdtemp(prefix="heliograph-test-")
    try:
        yield pathlib.Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def environment(folder):
    """A store of its own, nothing from the person's."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("HELIOGRAPH_") and k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    env["XDG_DATA_HOME"] = str(folder / "data")
    env["XDG_RUNTIME_DIR"] = str(folder / "run")
    (folder / "run").mkdir(exist_ok=True)
    return env


def heliograph(folder, *args, timeout=120, **more):
    return subprocess.run([HELIOGRAPH, *map(str, args)], env=environment(folder), timeout=timeout,
                          capture_output=True, text=True, errors="replace", **more)


def report(folder, what, *args):
    done = heliograph(folder, "report", "--json", *args, what)
    if done.returncode:
        raise AssertionError(f"report said {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def profile_script(folder, python, script, *script_args, options=(), timeout=120):
    """Runs `script` under `heliograph run` into a file; its report and the finished process."""
    saved = folder / "out.heliograph"
    if saved.exists():
        saved.unlink()
    done = heliograph(folder, "run", "--no-open", "--save", saved, *options, "--", python, script, *script_args,
                      timeout=timeout)
    return report(folder, saved, "--top", "0") if saved.exists() else None, done


class Server:
    """`heliograph serve` (or another command that prints its URL) in the background."""

    def __init__(self, folder, *args, command="serve", env=None):
        self.errors = open(folder / f"{command}.err", "w+")
        self.process = subprocess.Popen([HELIOGRAPH, command, *map(str, args)], env={**environment(folder), **(env or {})},
                                        stdout=subprocess.PIPE, stderr=self.errors, stdin=subprocess.DEVNULL)

    def words(self):
        self.errors.flush()
        return pathlib.Path(self.errors.name).read_text(errors="replace")

    def url(self, timeout=30):
        """The first http address it prints."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            found = re.search(r"http://[^\s)]+", self.words())
            if found:
                return found.group()
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"no address came: {self.words()}")

    def stop(self, signal_number=signal.SIGTERM, timeout=30):
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        try:
            return self.process.wait(timeout)
        finally:
            if self.process.poll() is None:
                self.process.kill()
            self.process.stdout.close()
            self.errors.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def get_json(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        return json.load(answer)


def post_json(url, body, **headers):
    """The answer's status."""
    request = urllib.request.Request(url, data=json.dumps(body).encode(), method="POST", headers={"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.status


def wait_for(condition, timeout=60, what="it"):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {timeout} s for {what}")
