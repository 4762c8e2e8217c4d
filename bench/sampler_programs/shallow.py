"""Four frames and arithmetic. Prints how many rounds it made in a second of its own CPU time."""
import sys
import time


def leaf():
    total = 0
    for i in range(10000):
        total += i
    return total


def middle():
    return leaf()


def main(seconds):
    rounds = 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        middle()
        rounds += 1
    return rounds


rounds = main(float(sys.argv[1]))
print("rounds", rounds / time.process_time())
