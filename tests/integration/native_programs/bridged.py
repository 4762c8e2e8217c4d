"""Python calls a C extension calls Python, three levels deep."""

import sys
import time

sys.path.insert(0, sys.argv[1])
import bridge  # noqa: E402

END = time.monotonic() + float(sys.argv[2])


def lowest():
    total = 0
    for i in range(200000):
        total += i
    return total


def below():
    return bridge.call(lowest)


def between():
    return below()


while time.monotonic() < END:
    bridge.call(between)
