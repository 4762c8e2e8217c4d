"""Threads that allocate at once, each along the same path."""
import threading


def leaf(n):
    kept = [None] * 50
    for i in range(50):
        kept[i] = bytes(4000 + n)
    return kept


def middle(n):
    return leaf(n), bytearray(7000)


def work(n):
    for _ in range(100):
        middle(n)


threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
