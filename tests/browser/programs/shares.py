"""Seven tenths of its time in hot(), three tenths in cold(); the first half holds little memory,
the second half 64 MB more. Runs until it is told to end."""

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


def main(seconds):
    begin = time.perf_counter()
    held = None
    while time.perf_counter() - begin < seconds:
        hot()
        cold()
        if held is None and time.perf_counter() - begin > seconds / 2:
            held = grow()


main(float(sys.argv[1]))
