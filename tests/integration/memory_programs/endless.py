"""Allocates until it is killed; writes after every hundred how many it has made."""
import os
import sys

slots = [[None] for _ in range(100)]


def work(out):
    made = 0
    while True:
        for slot in slots:
            slot[0] = bytes(1967)
        made += 100
        os.pwrite(out, b"%12d" % made, 0)


work(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT))
