"""A signal every half millisecond, whose handler allocates, for a second of allocating."""
import signal
import time

slots = [[None] for _ in range(100)]
caught = 0


def handler(number, frame):
    global caught
    caught += 1
    slots[0][0] = bytes(caught % 600)


signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)


def work():
    end = time.monotonic() + 1
    rounds = 0
    while time.monotonic() < end:
        for slot in slots:
            slot[0] = bytes(467)
        rounds += 1
    return rounds


done = work()
signal.setitimer(signal.ITIMER_REAL, 0)
assert caught > 100 and done > 10
