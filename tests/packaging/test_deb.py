"""The .deb in a bare Debian: install, use, upgrade, remove, purge."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from chroot import ROOT, Chroot, why_not  # noqa: E402

RELEASE = pathlib.Path(os.environ.get("HELIOGRAPH_RELEASE", ROOT / "build/release")).resolve()
STORE = "/var/lib/heliograph/heliograph.db"
BUSY = "import time; end = time.time() + 2\nwhile time.time() < end: sum(range(1000))"


def make_package(folder, version=None):
    """The .deb as `make package` makes it; `version` None = the project's own."""
    other = ["-D", f"CPACK_PACKAGE_VERSION={version}"] if version else []
    subprocess.run(["cpack", "-G", "DEB", *other, "-B", str(folder)], cwd=RELEASE, check=True, stdout=subprocess.DEVNULL)
    return max(folder.glob("*.deb"), key=lambda p: p.stat().st_mtime)


@unittest.skipIf(why_not(), f"SKIPPED: {why_not()}")
class Package(unittest.TestCase):
    def test_install_use_upgrade_remove_purge(self):
        with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
            folder = pathlib.Path(name)
            older, newer = make_package(folder / "older", "0.0.1"), make_package(folder / "newer")
            debian = Chroot(folder / "debian")
            for source, target in ((older, "older.deb"), (newer, "newer.deb")):
                (debian.root / target).write_bytes(source.read_bytes())
            debian.run("apt-get", "update")
            debian.run("apt-get", "install", "-y", "--no-install-recommends", "python3-minimal")

            with self.subTest("install"):
                debian.run("apt-get", "install", "-y", "--no-install-recommends", "/older.deb")
                self.assertIn("0.0.1", debian.run("dpkg-query", "-W", "heliograph"))
                self.assertIn("heliograph ", debian.run("heliograph", "--version"))
                for path in ("/usr/share/man/man1/heliograph.1.gz", "/usr/share/bash-completion/completions/heliograph",
                             "/usr/lib/systemd/system/heliograph.service", "/usr/lib/heliograph/libheliograph-agent.so"):
                    self.assertTrue(debian.has(path) or debian.has(path.removeprefix("/usr")) or debian.has(path.removesuffix(".gz")), path)

            with self.subTest("use"):
                debian.run("heliograph", "run", "--no-open", "--save", "/x.heliograph", "--", "python3", "-c", BUSY)
                self.assertIn("samples", debian.run("heliograph", "report", "/x.heliograph"))
                debian.run("install", "-d", "-m", "0700", "/var/lib/heliograph", "/etc/heliograph")
                debian.run("sh", "-c", f"heliograph serve --quiet --store {STORE} --listen 127.0.0.1:7700 & server=$!; "
                                              "for i in $(seq 100); do sleep 0.3; "
                                              "heliograph upload --server http://127.0.0.1:7700 /x.heliograph && break; done; "
                                              "kill $server; wait $server")
                kept = debian.run("heliograph", "list", "--store", STORE)
                self.assertIn("x.heliograph", kept)

            with self.subTest("upgrade"):
                debian.run("apt-get", "install", "-y", "--no-install-recommends", "/newer.deb")
                self.assertNotIn("0.0.1", debian.run("dpkg-query", "-W", "heliograph"))
                self.assertEqual(debian.run("heliograph", "list", "--store", STORE), kept, "the store is as it was")

            with self.subTest("remove"):
                debian.run("apt-get", "remove", "-y", "heliograph")
                self.assertFalse(debian.has("/usr/bin/heliograph"))
                self.assertTrue(debian.has(STORE), "profiles are kept until a purge")

            with self.subTest("purge"):
                debian.run("apt-get", "purge", "-y", "heliograph")
                left = debian.run("find", "/", "-xdev", "(", "-path", "/proc", "-o", "-path", "/sys", ")", "-prune", "-o",
                                  "-name", "*heliograph*", "-print")
                self.assertEqual([p for p in left.split() if p != "/x.heliograph"], [], "nothing is left behind")


if __name__ == "__main__":
    unittest.main()
