#include "collector/heap/live.h"

#include <stdlib.h>

enum { FIRST_CAP = 1 << 10 };

void live_init(struct live *l)
{
    *l = (struct live){0};
}

void live_deinit(struct live *l)
{
    free(l->slots);
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
    next.slots = calloc(next.cap, sizeof(*next.slots));
    if (!next.slots)
        return false;
    for (size_t i = 0; i < l->cap; i++) {
        if (l->slots[i].address != 0)
            *empty_slot(&next, l->slots[i].address) = l->slots[i];
    }
    free(l->slots);
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
