"""Allocator events at a given rate: `rate.py MILLIONS_A_SECOND SECONDS BLOCKS` makes and frees strings in
C, in time with the clock (0: as fast as it can), while BLOCKS others stay alive. Prints the events made, the
seconds they took and the longest it was late."""
import sys
import time

WORDS = 1000
text = " ".join("word%04d" % n for n in range(WORDS))
rate, seconds, blocks = float(sys.argv[1]) * 1e6, float(sys.argv[2]), int(sys.argv[3])
kept = [text.split() for _ in range(blocks // WORDS)]

# One round: WORDS strings and the list made and freed; the list grows some ten times on the way.
events = 2 * WORDS + 20
clock = time.perf_counter
split = text.split
began = now = clock()
rounds, late = 0, 0.0
while now - began < seconds:
    split()
    rounds += 1
    due = began + rounds * events / rate if rate else 0
    now = clock()
    if rate:
        late = max(late, now - due)
        while now < due:
            now = clock()
print("RATE", rounds * events, now - began, late)
