#include "backend/formats/memray_heap.h"

#include <stdlib.h>

#include "common/base/array.h"

void memray_heap_init(struct memray_heap *h)
{
    *h = (struct memray_heap){0};
    map_init(&h->by_site);
    map_init(&h->by_address);
}

void memray_heap_deinit(struct memray_heap *h)
{
    free(h->sites);
    free(h->blocks);
    free(h->ranges);
    map_deinit(&h->by_site);
    map_deinit(&h->by_address);
}

static bool same_site(const struct memray_site *s, uint32_t stack, uint32_t thread,
                      uint32_t allocator)
{
    return s->stack == stack && s->thread == thread && s->allocator == allocator;
}

enum status memray_heap_site(struct memray_heap *h, uint32_t stack, uint32_t thread,
                             uint32_t allocator, uint32_t *site)
{
    uint64_t key = map_mix(map_pair(stack, thread)) + allocator;
    const uint32_t *known;
    while ((known = map_find(&h->by_site, key)) &&
           !same_site(&h->sites[*known], stack, thread, allocator))
        key = map_mix(key + 1);
    if (known) {
        *site = *known;
        return STATUS_OK;
    }
    if (!array_reserve(&h->sites, &h->sites_cap, h->sites_len + 1) ||
        !map_put(&h->by_site, key, (uint32_t)h->sites_len))
        return STATUS_NO_MEMORY;
    h->sites[h->sites_len] = (struct memray_site){
        .stack = stack, .thread = thread, .allocator = allocator, .generation = h->generation};
    *site = (uint32_t)h->sites_len++;
    return STATUS_OK;
}

/* A peak is not copied when it comes: a site remembers what it had when it changes next. */
static void before_change(struct memray_heap *h, struct memray_site *s)
{
    if (s->generation == h->generation)
        return;
    s->peak_bytes = s->bytes;
    s->peak_blocks = s->blocks;
    s->generation = h->generation;
}

static enum status add(struct memray_heap *h, uint32_t site, uint64_t size, uint64_t blocks)
{
    struct memray_site *s = &h->sites[site];
    before_change(h, s);
    if (size > INT64_MAX || h->bytes + size > INT64_MAX || s->all_bytes + size > INT64_MAX)
        return STATUS_TOO_LARGE;
    s->bytes += size;
    s->blocks += blocks;
    s->all_bytes += size;
    s->all_blocks += blocks;
    h->bytes += size;
    if (h->bytes > h->peak) {
        h->peak = h->bytes;
        h->generation++;
    }
    return STATUS_OK;
}

static void take_away(struct memray_heap *h, uint32_t site, uint64_t size, uint64_t blocks)
{
    struct memray_site *s = &h->sites[site];
    before_change(h, s);
    s->bytes -= size;
    s->blocks -= blocks < s->blocks ? blocks : s->blocks;
    h->bytes -= size;
}

enum status memray_heap_allocate(struct memray_heap *h, uint32_t site, uint64_t address,
                                 uint64_t size)
{
    enum status st = add(h, site, size, 1);
    if (st != STATUS_OK)
        return st;
    struct memray_block made = {.size = size, .site = site, .is_alive = true};
    const uint32_t *known = map_find(&h->by_address, address);
    if (known) { /* also over a block whose free was not seen: that one stays lost */
        h->blocks[*known] = made;
        return STATUS_OK;
    }
    if (!array_reserve(&h->blocks, &h->blocks_cap, h->blocks_len + 1) ||
        !map_put(&h->by_address, address, (uint32_t)h->blocks_len))
        return STATUS_NO_MEMORY;
    h->blocks[h->blocks_len++] = made;
    return STATUS_OK;
}

void memray_heap_free(struct memray_heap *h, uint64_t address)
{
    const uint32_t *known = map_find(&h->by_address, address);
    if (!known || !h->blocks[*known].is_alive)
        return; /* from before the recording */
    struct memray_block *block = &h->blocks[*known];
    block->is_alive = false;
    take_away(h, block->site, block->size, 1);
}

static enum status add_range(struct memray_heap *h, struct memray_range range)
{
    if (!array_reserve(&h->ranges, &h->ranges_cap, h->ranges_len + 1))
        return STATUS_NO_MEMORY;
    h->ranges[h->ranges_len++] = range;
    return STATUS_OK;
}

enum status memray_heap_map(struct memray_heap *h, uint32_t site, uint64_t address, uint64_t size)
{
    enum status st = size > UINT64_MAX - address ? STATUS_TOO_LARGE : add(h, site, size, 1);
    if (st == STATUS_OK && size > 0)
        st = add_range(h, (struct memray_range){address, address + size, site});
    return st;
}

enum status memray_heap_unmap(struct memray_heap *h, uint64_t address, uint64_t size)
{
    uint64_t end = size > UINT64_MAX - address ? UINT64_MAX : address + size;
    size_t known = h->ranges_len;
    size_t kept = 0;
    enum status st = STATUS_OK;
    for (size_t i = 0; i < known; i++) {
        struct memray_range r = h->ranges[i];
        uint64_t from = r.begin > address ? r.begin : address;
        uint64_t to = r.end < end ? r.end : end;
        if (from >= to) {
            h->ranges[kept++] = r;
            continue;
        }
        bool is_whole = from == r.begin && to == r.end;
        take_away(h, r.site, to - from, is_whole);
        if (from > r.begin)
            h->ranges[kept++] = (struct memray_range){r.begin, from, r.site};
        if (to < r.end && from > r.begin) /* cut in the middle: one range more */
            st = add_range(h, (struct memray_range){to, r.end, r.site});
        else if (to < r.end)
            h->ranges[kept++] = (struct memray_range){to, r.end, r.site};
        if (st != STATUS_OK)
            return st;
    }
    for (size_t i = known; i < h->ranges_len; i++)
        h->ranges[kept++] = h->ranges[i];
    h->ranges_len = kept;
    return STATUS_OK;
}

void memray_heap_finish(struct memray_heap *h)
{
    for (size_t i = 0; i < h->sites_len; i++)
        before_change(h, &h->sites[i]);
}
