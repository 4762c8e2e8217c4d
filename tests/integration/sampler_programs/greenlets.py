"""Two greenlets that hand over to each other; the first works twice as long as the second."""
import sys
import time

import greenlet

until = time.monotonic() + float(sys.argv[1])


def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def inner_one():
    spin(0.010)
    second.switch()


def inner_two():
    spin(0.005)
    first.switch()


def one():
    while time.monotonic() < until:
        inner_one()


def two():
    while time.monotonic() < until:
        inner_two()


first, second = greenlet.greenlet(one), greenlet.greenlet(two)
first.switch()
