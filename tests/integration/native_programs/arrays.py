"""NumPy sorts and sums; a Python function is called from its C code."""

import sys
import time

import numpy

END = time.monotonic() + float(sys.argv[1])
numbers = numpy.random.default_rng(1).random(300000)


def one_by_one(x):
    return x * 2


per_item = numpy.vectorize(one_by_one)


def sort_all():
    return numpy.sort(numbers)


while time.monotonic() < END:
    sort_all()
    per_item(numbers[:20000])
