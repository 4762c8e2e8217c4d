"""The same arithmetic under two hundred frames."""
import sys
import time


def leaf():
    total = 0
    for i in range(10000):
        total += i
    return total


def down(depth, end):
    if depth:
        return down(depth - 1, end)
    rounds = 0
    while time.perf_counter() < end:
        leaf()
        rounds += 1
    return rounds


rounds = down(200, time.perf_counter() + float(sys.argv[1]))
print("rounds", rounds / time.process_time())
