"""The Dockerfile's own steps, one after another in bare Debians, without a Docker engine."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from chroot import ROOT, Chroot, why_not  # noqa: E402

DOCKERFILE = ROOT / "docker/Dockerfile"


def instructions():
    """[(word, rest)] with continued lines put together."""
    text = re.sub(r"(?m)^\s*#.*\n", "", DOCKERFILE.read_text()).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def copy_context(target):
    """What git knows of the working tree, as .dockerignore leaves it."""
    names = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=True).stdout
    subprocess.run(["tar", "-C", str(ROOT), "--null", "-T", "-", "-cf", str(target / "context.tar")], input=names, check=True)
    subprocess.run(["tar", "-C", str(target), "-xf", str(target / "context.tar")], check=True)
    (target / "context.tar").unlink()


class Build:
    """FROM, RUN, WORKDIR, COPY, USER and ENTRYPOINT; what else a Dockerfile may hold is refused, not skipped."""

    def __init__(self, folder):
        self.folder, self.stages, self.entry, self.user = folder, {}, None, None

    def take(self, word, rest):
        if word == "FROM":
            image, _, name = rest.partition(" AS ")
            if not re.match(r"debian:12(-slim)?$", image):
                raise AssertionError(f"no image {image} here")
            self.now = self.stages[name or "last"] = Chroot(self.folder / (name or "last"))
            self.user = None
        elif word == "RUN":
            self.now.run("sh", "-ec", rest, timeout=1800)
        elif word == "WORKDIR":
            (self.now.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
            self.now.folder = rest
        elif word == "COPY":
            self.copy(*rest.split())
        elif word == "USER":
            self.user = rest
        elif word == "ENTRYPOINT":
            self.entry = re.findall(r'"([^"]*)"', rest)
        elif word not in ("VOLUME", "EXPOSE"):
            raise AssertionError(f"what does {word} do?")

    def copy(self, *words):
        target = self.now.root / words[-1].lstrip("/") if words[-1].startswith("/") else self.now.root / self.now.folder.lstrip("/")
        if words[0].startswith("--from="):
            source = self.stages[words[0].removeprefix("--from=")].root / words[1].lstrip("/")
            shutil.copytree(source, target, dirs_exist_ok=True, symlinks=True)
        else:
            copy_context(target)


@unittest.skipIf(why_not(), f"SKIPPED: {why_not()}")
class Image(unittest.TestCase):
    def test_the_image_builds_serves_and_wants_a_token(self):
        with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
            build = Build(pathlib.Path(name))
            for word, rest in instructions():
                build.take(word, rest)
            image = build.now
            self.assertEqual(build.user, "heliograph", "it does not run as root")
            image.user = build.user

            with self.subTest("without a token"):
                done = subprocess.run(image.command(*build.entry), capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn("token", done.stderr)

            with self.subTest("with one"):
                image.environment["HELIOGRAPH_TOKEN"] = "a-token-for-this-test-only"
                with subprocess.Popen(image.command(*build.entry), stderr=subprocess.PIPE, text=True) as server:
                    try:
                        self.check(image.environment["HELIOGRAPH_TOKEN"])
                    finally:
                        server.kill()  # unshare keeps SIGTERM to itself; its child goes with it
                self.assertEqual((image.root / "data/heliograph.db").stat().st_mode & 0o777, 0o600)

    def check(self, token):
        def get(path, **headers):
            request = urllib.request.Request("http://127.0.0.1:7700" + path, headers=headers)
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        for _ in range(100):
            try:
                self.assertEqual(get("/healthz"), 200)
                break
            except (ConnectionError, urllib.error.URLError):
                time.sleep(0.2)
        with self.assertRaises(urllib.error.HTTPError) as refused:
            get("/api/v1/profiles")
        self.assertEqual(refused.exception.code, 401)
        refused.exception.close()
        self.assertEqual(get("/api/v1/profiles", Authorization=f"Bearer {token}"), 200)


if __name__ == "__main__":
    unittest.main()
