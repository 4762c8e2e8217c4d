"""Starts itself again with an environment of its own making, in each way Python has."""
import os
import subprocess
import sys

slots = [[None] for _ in range(100)]
bytes(3)  # so that what the call itself needs is there


def work():
    for slot in slots:
        slot[0] = bytes(3967)


if len(sys.argv) > 1:
    work()
else:
    again = [sys.executable, __file__, "again"]
    env = {"ONLY": "this"}
    subprocess.check_call(again, env=env)
    subprocess.check_call(again, env=env, close_fds=False)
    assert os.spawnve(os.P_WAIT, sys.executable, again, env) == 0
    pid = os.posix_spawn(sys.executable, again, env)
    assert os.waitpid(pid, 0)[1] == 0
