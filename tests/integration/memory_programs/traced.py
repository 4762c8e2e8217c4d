"""The same lines as tracemalloc sees them: writes {line: bytes in use} to the file it is given, and
ends at once, so that nothing is freed after the count."""
import json
import os
import sys
import tracemalloc

rows = [[None] for _ in range(5000)]
tracemalloc.start(1)


def strings():
    for row in rows:
        row[0] = "%0200d" % 7


def bytes_of_all_sizes():
    for n, row in enumerate(rows):
        row[0] = bytes(n)


def half_of_it():
    for row in rows[::2]:
        row[0] = None


strings()
bytes_of_all_sizes()
half_of_it()
snapshot = tracemalloc.take_snapshot()
lines = {}
for stat in snapshot.filter_traces([tracemalloc.Filter(True, __file__)]).statistics("lineno"):
    lines[stat.traceback[0].lineno] = [stat.size, stat.count]
with open(sys.argv[1], "w") as out:
    json.dump(lines, out)
os._exit(0)
