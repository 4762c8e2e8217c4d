"""The same work over and over for the seconds it is given; prints how long each part took."""
import sys
import time

slots = [[None] for _ in range(1000)]


def part():
    for _ in range(60):
        for slot in slots:
            slot[0] = bytes(67)


began = time.monotonic()
while time.monotonic() - began < float(sys.argv[1]):
    at = time.process_time()
    part()
    print("%.6f" % (time.process_time() - at), file=sys.stderr, flush=True)
