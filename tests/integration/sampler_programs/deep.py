"""Rests at the bottom of a recursion of argv[1] calls, busily, for argv[2] seconds."""
import sys
import threading
import time

sys.setrecursionlimit(1 << 20)
threading.stack_size(512 << 20)


def down(n):
    if n:
        return down(n - 1)
    return bottom()


def bottom():
    end = time.monotonic() + float(sys.argv[2])
    while time.monotonic() < end:
        pass


thread = threading.Thread(target=down, args=(int(sys.argv[1]) - 1,))
thread.start()
thread.join()
