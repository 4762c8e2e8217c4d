#include "collector/heap/live.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { FIRST_CAP = 1 << 10, HUGE_PAGE = 2 << 20 };

/* Zeroed; from 2 MiB on in huge pages where the system has them: the table is read at random, and
 * the walks through page tables cost more than the cache misses. */
static struct live_block *slots_new(size_t cap)
{
    size_t bytes = cap * sizeof(struct live_block);
    if (bytes < HUGE_PAGE)
        return calloc(cap, sizeof(struct live_block));
    struct live_block *slots =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (slots == MAP_FAILED)
        return NULL;
    (void)madvise(slots, bytes, MADV_HUGEPAGE);
    return slots;
}

static void slots_free(struct live_block *slots, size_t cap)
{
    size_t bytes = cap * sizeof(*slots);
    if (bytes < HUGE_PAGE)
        free(slots);
    else
        munmap(slots, bytes);
}

void live_init(struct live *l)
{
    *l = (struct live){0};
}

void live_deinit(struct live *l)
{
    slots_free(l->slots, l->cap);
    live_init(l);
}

struct live_block *live_find(const struct live *l, uint64_t address)
{
    if (l->cap == 0)
        return NULL;
    for (size_t at = live_slot(l, address);; at = (at + 1) & (l->cap - 1)) {
        if (l->slots[at].address == address)
            return &l->slots[at];
        if (l->slots[at].address == 0)
            return NULL;
    }
}

static struct live_block *empty_slot(const struct live *l, uint64_t address)
{
    size_t at = live_slot(l, address);
    while (l->slots[at].address != 0)
        at = (at + 1) & (l->cap - 1);
    return &l->slots[at];
}

static bool grow(struct live *l)
{
    struct live next = {.cap = l->cap ? l->cap * 2 : FIRST_CAP, .len = l->len};
    next.shift = 64U - (uint32_t)__builtin_ctzll(next.cap);
    next.slots = slots_new(next.cap);
    if (!next.slots)
        return false;
    for (size_t i = 0; i < l->cap; i++) {
        if (l->slots[i].address != 0)
            *empty_slot(&next, l->slots[i].address) = l->slots[i];
    }
    slots_free(l->slots, l->cap);
    *l = next;
    return true;
}

struct live_block *live_put(struct live *l, uint64_t address, bool *is_new)
{
    if (l->len * 8 >= l->cap * 5 && !grow(l))
        return NULL;
    size_t at = live_slot(l, address);
    while (l->slots[at].address != 0 && l->slots[at].address != address)
        at = (at + 1) & (l->cap - 1);
    *is_new = l->slots[at].address == 0;
    if (*is_new) {
        l->slots[at].address = address;
        l->len++;
    }
    return &l->slots[at];
}

/* Entries behind the gap move up when the gap lies between their own slot and them, so that no
 * marks of removed blocks are left to search through. */
void live_remove(struct live *l, struct live_block *block)
{
    size_t mask = l->cap - 1;
    size_t gap = (size_t)(block - l->slots);
    for (size_t at = (gap + 1) & mask; l->slots[at].address != 0; at = (at + 1) & mask) {
        size_t home = live_slot(l, l->slots[at].address);
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            l->slots[gap] = l->slots[at];
            gap = at;
        }
    }
    l->slots[gap].address = 0;
    l->len--;
}
