"""Comes to rest with one of everything in its stacks: recursion, a method, a generator, a callback
from C, a lambda, a comprehension, a name that is not ASCII, and threads."""
import threading
import time


class Keeper:
    def hold(self, depth):
        if depth:
            return self.hold(depth - 1)
        return max([1], key=lambda x: größe(x))


def größe(x):
    return sum(items())


def items():
    for seconds in [60]:
        yield rest(
            seconds
        )


def rest(seconds):
    time.sleep(seconds)
    return 0


def worker():
    [rest(s) for s in (60,)]


for _ in range(2):
    threading.Thread(target=worker, daemon=True).start()
Keeper().hold(5)
