"""What one function allocates, as tracemalloc counts it: writes the bytes in use before and after it, and the
most in between, to the file it is given, if any; ends at once."""
import json
import os
import sys
import tracemalloc

TRACES = len(sys.argv) > 1
rows = [[None] for _ in range(3000)]
if TRACES:
    tracemalloc.start(1)


def inner(n):
    return [bytes(n), "%0100d" % n, {"n": str(n) * 3}, (n, [n] * (n % 50))]


def work():
    for n, row in enumerate(rows):
        row[0] = inner(n)
    for row in rows[::3]:
        row[0] = None
    grown = []
    for n in range(20000):
        grown.append(None)
    rows[0][0] = grown
    return None


before = tracemalloc.get_traced_memory() if TRACES else None
work()
after = tracemalloc.get_traced_memory() if TRACES else None
if TRACES:
    with open(sys.argv[1], "w") as out:
        json.dump([before[0], after[0]], out)
os._exit(0)
