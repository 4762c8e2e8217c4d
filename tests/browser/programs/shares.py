"""Seven tenths of its time in hot(), three tenths in cold(). Holds 64 MB more from its fourth second on, and runs four more at least, until the
file that it is given appears."""

import os
import sys
import time

PERIOD_S = 0.05


def spin(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(range(200))


def hot():
    spin(PERIOD_S * 0.7)


def cold():
    spin(PERIOD_S * 0.3)


def grow():
    held = bytearray(64 * 1000 * 1000)
    held[::4096] = b"x" * len(held[::4096])
    return held


def main(end):
    begin = time.perf_counter()
    held = None
    spent = {hot: 0.0, cold: 0.0}
    while time.perf_counter() - begin < 8 or not os.path.exists(end):
        # Whoever is behind its share is next: what other programs take of the time hits both alike.
        one = hot if spent[hot] * 3 <= spent[cold] * 7 else cold
        began = time.perf_counter()
        one()
        spent[one] += time.perf_counter() - began
        if held is None and time.perf_counter() - begin > 4:
            held = grow()


main(sys.argv[1])
