"""One piece of work whose allocations are worth watching: `work.py NAME SIZE` does it and prints the CPU
time of doing it, start-up left out."""
import json
import sys
import threading
import time


def small_objects(size):
    def nest(depth, i):
        if depth == 0:
            return (str(i), [float(i), i * 1.5], (i, i + 1))
        return nest(depth - 1, i)

    for i in range(int(60000 * size)):
        nest(9, i)


def big_buffers(size):
    for _ in range(int(60 * size)):
        grown = bytearray(65536)
        for _ in range(6):
            grown = grown + grown
        bytes(grown)


def json_records(size):
    records = [{"id": i, "name": "user%d" % i, "tags": ["a%d" % i, "b"], "score": i * 1.5, "nested": {"x": i, "y": [i, i + 1]}}
               for i in range(int(4000 * size))]
    for _ in range(6):
        groups = {}
        for record in json.loads(json.dumps(records)):
            groups.setdefault(record["id"] % 97, []).append(record["name"])


class Slots:
    __slots__ = ("x", "y", "z")

    def __init__(self, x, y):
        self.x, self.y, self.z = x, y, (x, y)


class Dicts:
    def __init__(self, x, y):
        self.x, self.y, self.z = x, y, (x, y)


def slots(size):
    return [Slots(float(i), i * 2.0) for i in range(int(200000 * size))]


def dicts(size):
    return [Dicts(float(i), i * 2.0) for i in range(int(200000 * size))]


def fib(size):
    def f(n):
        return n if n < 2 else f(n - 1) + f(n - 2)

    for _ in range(int(4 * size)):
        f(24)


def threads(size):
    workers = [threading.Thread(target=small_objects, args=(size / 8,)) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def arrays(size):
    import numpy
    kept = numpy.zeros(10000)
    for i in range(int(20000 * size)):
        kept = kept * 1.0001 + numpy.arange(100, dtype=float).sum()
        kept = kept[:10000].copy()


if __name__ == "__main__":
    if sys.argv[1] == "arrays":
        import numpy  # noqa: F401  (its import is no part of the work)
    began = time.process_time()
    globals()[sys.argv[1]](float(sys.argv[2]))
    print("CPU", time.process_time() - began)
