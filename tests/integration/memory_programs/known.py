"""Allocations whose number and sizes are known: each on a line of its own, named by a comment."""
import ctypes
import os
import sys

COUNT = 1000
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.calloc.restype = ctypes.c_void_p
libc.calloc.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
libc.realloc.restype = ctypes.c_void_p
libc.realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.free.restype = None
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

slots = [[None] for _ in range(COUNT)]
blocks = [[None] for _ in range(COUNT)]
maps = [[None] for _ in range(50)]


def warm_up():
    """What calls need themselves (argument tuples in free lists) is there afterwards."""
    for slot in slots[:10]:
        slot[0] = bytes(7)
    libc.free(libc.realloc(libc.malloc(5), 9))
    libc.free(libc.calloc(1, 5))
    libc.munmap(libc.mmap(None, 4096, 3, 0x22, -1, 0), 4096)


def small():
    for slot in slots:
        slot[0] = bytes(67)  # small: COUNT * 100


def medium():
    for slot in slots:
        slot[0] = bytes(4967)  # medium: COUNT * 5000


def big():
    for slot in slots:
        slot[0] = bytes(199967)  # big: COUNT * 200000


def native():
    for block in blocks:
        block[0] = libc.malloc(12345)  # malloc: COUNT * 12345
    for block in blocks:
        block[0] = libc.realloc(block[0], 23456)  # realloc: COUNT * 23456
    for block in blocks:
        libc.free(block[0])
    for block in blocks:
        block[0] = libc.calloc(3, 1000)  # calloc: COUNT * 3000


def mapped():
    for place in maps:
        place[0] = libc.mmap(None, 10000, 3, 0x22, -1, 0)  # mmap: 50 * 12288
    for place in maps[:30]:
        libc.munmap(place[0], 4096)


warm_up()
small()
medium()
big()
native()
mapped()
if "--exit" in sys.argv:
    os._exit(0)
