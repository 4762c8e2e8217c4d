"""The built-in layouts of 3.8 to 3.12 against the headers of every Python found that has them."""

import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))

import support  # noqa: E402


class Layouts(unittest.TestCase):
    def test_the_headers_say_the_same(self):
        checked = 0
        for label, python in support.pythons().items():
            minor = int(label.split(".")[1])
            say = "import sysconfig; print(sysconfig.get_paths()['include'])"
            include = subprocess.run([python, "-c", say], capture_output=True, text=True).stdout.strip()
            if minor > 12 or not pathlib.Path(include, "internal").is_dir():
                continue
            with self.subTest(python=label), support.scratch() as folder:
                built = subprocess.run(["cc", "-w", "-D_GNU_SOURCE", "-I", include, "-I", str(ROOT),
                                        str(HERE / "layout_check.c"), str(ROOT / "collector/python/layout.c"),
                                        "-o", str(folder / "check")], capture_output=True, text=True)
                self.assertEqual(built.returncode, 0, built.stderr)
                done = subprocess.run([str(folder / "check")], capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stdout), (0, ""))
                checked += 1
        if not checked:
            self.skipTest("SKIP: no Python 3.8 to 3.12 with its internal headers is here")


if __name__ == "__main__":
    unittest.main()
