#pragma once
/* The blocks that are alive in one process: address -> block. Open addressing; built for tens of
 * millions of insertions and removals a second, 24 bytes a slot. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct live_block {
    uint64_t address; /* 0 = empty slot */
    uint32_t size;    /* LIVE_BIG = see live_big_size */
    uint32_t site;
    uint32_t born_ms; /* since the heap was opened */
    union {
        uint32_t ordinal; /* exact: how many allocations the process had made */
        float weight;     /* sampled: how many blocks this one stands for */
    };
};

#define LIVE_BIG UINT32_MAX

struct live {
    struct live_block *slots;
    size_t cap; /* a power of two, or 0 */
    size_t len;
    uint32_t shift;
};

void live_init(struct live *l);
void live_deinit(struct live *l);

static inline size_t live_slot(const struct live *l, uint64_t address)
{
    return (size_t)((address >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> l->shift);
}

/* Brings the slot towards the processor; for records a little ahead. */
static inline void live_prefetch(const struct live *l, uint64_t address)
{
    if (l->cap)
        __builtin_prefetch(&l->slots[live_slot(l, address)], 1);
}

/* The block at `address`, or NULL. Valid until the next put or remove. */
struct live_block *live_find(const struct live *l, uint64_t address);

/* The slot for `address`: the block that is there, or a new one with only its address set. NULL
 * when memory is short. Valid until the next put or remove. */
struct live_block *live_put(struct live *l, uint64_t address, bool *is_new);

void live_remove(struct live *l, struct live_block *block);
