"""Comes to rest in known stacks: recursion, a generator, a callback from C, threads with names."""

import sys
import threading
import time


def rest():
    time.sleep(float(sys.argv[1]))


def recurse(depth):
    if depth:
        recurse(depth - 1)
    else:
        max([1], key=callback)


def callback(_):
    return sum(generate())


def generate():
    for _ in range(1):
        yield (
            rest() or 1
        )


def outer():
    def inner():
        rest()
    inner()


class Named(threading.Thread):
    def run(self):
        rest()


threads = [threading.Thread(target=outer, name="first"), Named(name="größer")]
for thread in threads:
    thread.start()
recurse(30)
for thread in threads:
    thread.join()
