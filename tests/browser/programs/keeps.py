"""Keeps more and more, fills a cache, and works: nine seconds at least, until the file that it is given appears."""

import os
import sys
import time

kept, cache = [], {}


def leak():
    kept.append(bytearray(120_000))


def fill(i):
    cache.setdefault(i % 30, bytearray(400_000))


def work():
    return sum(bytearray(300_000)[::1000])


begin, i = time.monotonic(), 0
while time.monotonic() - begin < 9 or not os.path.exists(sys.argv[1]):
    leak()
    fill(i)
    work()
    i += 1
    time.sleep(0.02)
