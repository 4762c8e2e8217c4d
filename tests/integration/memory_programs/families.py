"""The less common of malloc's relatives, each on a line of its own; what each takes is given back, in turn
by each way of giving back."""
import ctypes
import mmap

COUNT = 1000
libc = ctypes.CDLL(None)
size_t, pointer = ctypes.c_size_t, ctypes.c_void_p
PAGE = mmap.PAGESIZE


def declare(name, result, *arguments):
    function = getattr(libc, name)
    function.restype = result
    function.argtypes = arguments
    return function


malloc = declare("malloc", pointer, size_t)
reallocarray = declare("reallocarray", pointer, pointer, size_t, size_t)
posix_memalign = declare("posix_memalign", ctypes.c_int, ctypes.POINTER(pointer), size_t, size_t)
aligned_alloc = declare("aligned_alloc", pointer, size_t, size_t)
memalign = declare("memalign", pointer, size_t, size_t)
valloc = declare("valloc", pointer, size_t)
pvalloc = declare("pvalloc", pointer, size_t)
mremap = declare("mremap", pointer, pointer, size_t, size_t, ctypes.c_int)
map_pages = declare("mmap", pointer, pointer, size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
unmap = declare("munmap", ctypes.c_int, pointer, size_t)
free = declare("free", None, pointer)
free_sized = declare("free_sized", None, pointer, size_t)
free_aligned_sized = declare("free_aligned_sized", None, pointer, size_t, size_t)

place = pointer()
blocks = [None] * COUNT


def give_back(size):
    for i, block in enumerate(blocks):
        if i % 3 == 0:
            free(block)
        elif i % 3 == 1:
            free_sized(block, size)
        else:
            free_aligned_sized(block, 16, size)


def families():
    for i in range(COUNT):
        blocks[i] = reallocarray(None, 11, 90)  # malloc: COUNT * 990
    for i in range(COUNT):
        blocks[i] = reallocarray(blocks[i], 11, 180)  # malloc: COUNT * 1980
    assert reallocarray(None, 1 << 40, 1 << 40) is None
    give_back(1980)
    for i in range(COUNT):
        posix_memalign(ctypes.byref(place), 64, 777)  # malloc: COUNT * 777
        blocks[i] = place.value
    give_back(777)
    for i in range(COUNT):
        blocks[i] = aligned_alloc(32, 640)  # malloc: COUNT * 640
    give_back(640)
    for i in range(COUNT):
        blocks[i] = memalign(128, 333)  # malloc: COUNT * 333
    give_back(333)
    for i in range(COUNT):
        blocks[i] = valloc(222)  # malloc: COUNT * 222
    give_back(222)
    for i in range(COUNT):
        blocks[i] = pvalloc(PAGE + 1)  # malloc: COUNT * 8192
    give_back(8192)
    for i in range(10):
        at = map_pages(None, 3 * PAGE, 3, 0x22, -1, 0)  # mmap: 10 * 12288
        at = mremap(at, 3 * PAGE, 5 * PAGE, 1)  # mmap: 10 * 20480
        unmap(at, 5 * PAGE)


free(malloc(5))
families()
