#pragma once
/* The heap a memray capture tells of, event by event: what is alive, and what was at the moment
 * when most was. */

#include "backend/formats/fill.h"
#include "common/base/map.h"

/* Everything allocated in one way: the same stack, thread and allocator. */
struct memray_site {
    uint32_t stack, thread, allocator;
    uint64_t bytes, blocks;           /* alive */
    uint64_t peak_bytes, peak_blocks; /* when the heap was largest, as of `generation` */
    uint64_t generation;
    uint64_t all_bytes, all_blocks;
};

struct memray_block {
    uint64_t size;
    uint32_t site;
    bool is_alive;
};

struct memray_range {
    uint64_t begin, end;
    uint32_t site;
};

struct memray_heap {
    struct memray_site *sites;
    struct memray_block *blocks;
    struct memray_range *ranges; /* mmap: may be given back in parts */
    size_t sites_len, sites_cap, blocks_len, blocks_cap, ranges_len, ranges_cap;
    struct map by_site, by_address;
    uint64_t bytes, peak, generation;
};

void memray_heap_init(struct memray_heap *h);
void memray_heap_deinit(struct memray_heap *h);

enum status memray_heap_site(struct memray_heap *h, uint32_t stack, uint32_t thread,
                             uint32_t allocator, uint32_t *site);
enum status memray_heap_allocate(struct memray_heap *h, uint32_t site, uint64_t address,
                                 uint64_t size);
void memray_heap_free(struct memray_heap *h, uint64_t address);
enum status memray_heap_map(struct memray_heap *h, uint32_t site, uint64_t address, uint64_t size);
enum status memray_heap_unmap(struct memray_heap *h, uint64_t address, uint64_t size);

/* Brings every site's peak up to date. */
void memray_heap_finish(struct memray_heap *h);
