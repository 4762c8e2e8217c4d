"""Two hundred forked children; each makes its own blocks and frees some it inherited."""
import os

slots = [[None] for _ in range(100)]
bytes(3)  # so that what the call itself needs is there
inherited = [[bytes(500)] for _ in range(100)]


def child():
    for slot in slots:
        slot[0] = bytes(2967)
    for slot in inherited:
        slot[0] = None


for _ in range(20):
    pids = []
    for _ in range(10):
        pid = os.fork()
        if pid == 0:
            child()
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0
