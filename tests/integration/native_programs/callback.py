"""Python calls C calls Python: qsort of the C library with a comparison written in Python, in two
threads; one more sleeps in a system call below a C function. Says so and goes on to its end."""

import ctypes
import sys
import threading
import time

SECONDS = float(sys.argv[1])
qsort = ctypes.CDLL(None).qsort
qsort.restype = None
compare_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
END = time.monotonic() + SECONDS


def think(rounds):
    total = 0
    for i in range(rounds):
        total += i
    return total


def compare(a, b):
    think(3000)
    return a[0] - b[0]


def generate(array):
    qsort(array, len(array), 4, compare_type(compare))
    yield 1


def sort_again():
    array = (ctypes.c_int * 40)(*range(40, 0, -1))
    for _ in generate(array):
        pass


def work():
    while time.monotonic() < END:
        sort_again()


def sleep_long():
    time.sleep(SECONDS)


def main():
    for target in (work, sleep_long):
        threading.Thread(target=target, name=target.__name__, daemon=True).start()
    work()


main()
