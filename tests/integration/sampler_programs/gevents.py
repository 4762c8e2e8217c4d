"""Fifty greenlets of a monkey-patched program: each works a little in functions of its own, then sleeps, which the hub
wakes it from. Even ones work twice as long as odd ones."""
from gevent import monkey

monkey.patch_all()

import sys
import time

import gevent


def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def inner_even(n):
    spin(0.002)


def even(n):
    inner_even(n)


def inner_odd(n):
    spin(0.001)


def odd(n):
    inner_odd(n)


def forever(n, end):
    while time.monotonic() < end:
        (odd if n % 2 else even)(n)
        time.sleep(0.01)


end = time.monotonic() + float(sys.argv[1])
gevent.joinall([gevent.spawn(forever, n, end) for n in range(50)])
