"""Children in every manner: fork, exec, multiprocessing spawn; and a hundred that end at once."""

import multiprocessing
import os
import subprocess
import sys
import time


def spin_in_child(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def forked():
    pid = os.fork()
    if pid == 0:
        spin_in_child(1)
        os._exit(0)
    return pid


if __name__ == "__main__":
    for _ in range(100):
        subprocess.call(["true"])
    pid = forked()
    spawned = multiprocessing.get_context("spawn").Process(target=spin_in_child, args=(1,))
    spawned.start()
    executed = subprocess.Popen(["sh", "-c", "exec \"$0\" -c \"$1\"", sys.executable,
                                 "def executed():\n import time\n e = time.monotonic() + 1\n"
                                 " while time.monotonic() < e: pass\nexecuted()"])
    os.waitpid(pid, 0)
    spawned.join()
    executed.wait()
    sys.exit(3)
