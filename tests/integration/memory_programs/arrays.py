"""A hundred arrays of a known size; half of them go again."""
import os

import numpy

kept = [[None] for _ in range(100)]
numpy.zeros(10)


def arrays():
    for slot in kept:
        slot[0] = numpy.empty(10000)


def halved():
    for slot in kept[::2]:
        slot[0] = None


arrays()
halved()
os._exit(0)
