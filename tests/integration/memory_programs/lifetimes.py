"""Libraries that come and go, children by every system call, and threads that end, all while another thread
allocates; each makes a known number of blocks."""
import ctypes
import glob
import os
import subprocess
import sys
import sysconfig
import threading

import _ctypes

slots = [[None] for _ in range(100)]
goes_on = True


def background():
    mine = [None]
    while goes_on:
        mine[0] = bytes(67)


def made():
    for slot in slots:
        slot[0] = bytes(4967)


def libraries():
    found = glob.glob(os.path.join(sysconfig.get_path("stdlib"), "lib-dynload", "_*json*.so"))
    for _ in range(100):
        for path in found + ["libm.so.6"]:
            handle = _ctypes.dlopen(path, os.RTLD_NOW)
            made()
            _ctypes.dlclose(handle)


def children():
    for _ in range(10):
        subprocess.run(["/bin/true"], check=True)  # vfork where Python has it
        pid = os.posix_spawn("/bin/true", ["true"], os.environ)
        os.waitpid(pid, 0)
        pid = os.fork()
        if pid == 0:
            os.execv("/bin/true", ["true"])
        os.waitpid(pid, 0)
        made()


worker = threading.Thread(target=background)
worker.start()
libraries()
children()
goes_on = False
worker.join()
