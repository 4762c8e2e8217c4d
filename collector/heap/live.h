#pragma once
/* The blocks that are alive in one process: address -> block. Built for tens of millions of
 * insertions and removals a second: blocks that lie in one page of the program lie together here as
 * well, in the same order, because allocators go through memory in order. A hash over all blocks
 * would be one cache miss a record, which is more than all the rest of its work. */

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

/* What is alive in one page of the program. */
struct live_page {
    uint64_t key; /* the page's number, never 0; 0 = empty */
    struct live_block *slots;
    uint16_t len, cap; /* cap is a power of two from 4 to 4096, or 0 */
    uint16_t shift;    /* offset in the page >> shift = where a block's slot is, or just behind: */
    uint16_t reach;    /* so many slots behind, at most */
};

enum { LIVE_CLASSES = 11 };

struct live {
    struct live_page *pages; /* open addressing */
    size_t pages_cap;        /* a power of two, or 0 */
    size_t pages_len;        /* with those that are empty by now */
    size_t len;
    uint32_t shift;
    /* Memory for slots: pieces of 4 << class of them come from slabs and go back to a list. */
    struct live_block *free_pieces[LIVE_CLASSES];
    struct live_slab *slabs;
    size_t slab_used, slab_bytes; /* of the newest */
    size_t bytes;                 /* of all there is */
};

void live_init(struct live *l);
void live_deinit(struct live *l);

static inline uint64_t live_key(uint64_t address)
{
    return address >> 12 | UINT64_C(1) << 63;
}

static inline size_t live_page_slot(const struct live *l, uint64_t key)
{
    return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> l->shift);
}

/* Brings the slot towards the processor; for records a little ahead. */
static inline void live_prefetch(const struct live *l, uint64_t address)
{
    if (l->pages_cap == 0)
        return;
    const struct live_page *p = &l->pages[live_page_slot(l, live_key(address))];
    if (p->key == live_key(address) && p->cap)
        __builtin_prefetch(&p->slots[(address & 4095) >> p->shift], 1);
}

/* The block at `address`, or NULL. Valid until the next put or remove. */
struct live_block *live_find(const struct live *l, uint64_t address);

/* The slot for `address`: the block that is there, or a new one with only its address set. NULL
 * when memory is short. Valid until the next put or remove. */
struct live_block *live_put(struct live *l, uint64_t address, bool *is_new);

void live_remove(struct live *l, struct live_block *block);
