"""Spends about 70 % of its CPU time in one function and 30 % in another, by turns of a few
milliseconds, and writes what it was exactly to the file named last."""

import json
import sys
import time


def busy(seconds):
    end = time.thread_time() + seconds
    total = 0
    while time.thread_time() < end:
        for i in range(50):
            total += i
    return total


def much():
    return busy(0.007)


def little():
    return busy(0.003)


def main():
    spent = {"much": 0.0, "little": 0.0}
    end = time.thread_time() + float(sys.argv[1])
    while time.thread_time() < end:
        for function in (much, little):
            begin = time.thread_time()
            function()
            spent[function.__name__] += time.thread_time() - begin
    with open(sys.argv[2], "w") as out:
        json.dump(spent, out)


main()
