#include "collector/target/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

enum { BIG_MAX = 64 << 20 };

void target_memory_init(struct target_memory *m, pid_t pid)
{
    m->pid = pid;
    m->reads = 0;
    m->error = 0;
    m->big_size = 0;
    m->big = NULL;
}

void target_memory_deinit(struct target_memory *m)
{
    free(m->big);
    m->big = NULL;
    m->big_size = 0;
}

static void *pointer_to(uint64_t address)
{
    return (void *)(uintptr_t)address; /* in the other process: never followed here */
}

// NOLINTNEXTLINE(readability-non-const-parameter): the kernel writes to `out`
static bool read_range(struct target_memory *m, uint64_t address, uint8_t *out, size_t len)
{
    struct iovec local = {.iov_base = out, .iov_len = len};
    struct iovec remote = {.iov_base = pointer_to(address), .iov_len = len};
    m->reads++;
    ssize_t got = process_vm_readv(m->pid, &local, 1, &remote, 1, 0);
    if (got == (ssize_t)len)
        return true;
    m->error = got < 0 ? errno : EFAULT;
    return false;
}

static bool find(void *ctx, uint64_t address, size_t len, struct memory_window *out)
{
    struct target_memory *m = ctx;
    uint64_t begin = address - address % TARGET_MEMORY_PAGE;
    if (len <= TARGET_MEMORY_PAGE && address + len <= begin + TARGET_MEMORY_PAGE) {
        if (!read_range(m, begin, m->page, sizeof(m->page)))
            return false;
        *out = (struct memory_window){begin, begin + sizeof(m->page), m->page};
        return true;
    }
    if (len > BIG_MAX)
        return false;
    if (len > m->big_size) {
        uint8_t *big = realloc(m->big, len);
        if (!big)
            return false;
        m->big = big;
        m->big_size = len;
    }
    if (!read_range(m, address, m->big, len))
        return false;
    *out = (struct memory_window){address, address + len, m->big};
    return true;
}

struct memory_reader target_memory_reader(struct target_memory *m)
{
    return (struct memory_reader){.find = find, .ctx = m};
}
