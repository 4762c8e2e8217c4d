"""Calls the library whose signal handler maps memory in the midst of malloc; says how often it did."""
import ctypes
import os
import sys

storm = ctypes.CDLL(sys.argv[1]).memory_storm
storm.restype = ctypes.c_long
storm.argtypes = [ctypes.c_long]


def rage():
    return storm(3000000)


print("STORM", rage(), file=sys.stderr, flush=True)
os._exit(0)
