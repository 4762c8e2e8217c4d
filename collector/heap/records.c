/* One record after the other: into the live table and out of it. */
#include <math.h>
#include <string.h>

#include "collector/heap/state.h"
#include "common/base/array.h"

enum { PAGE = 4096, MAX_OWED = 1 << 20, EARLY_PASSES = 4 };

struct amount {
    uint64_t bytes, count; /* count with HEAP_COUNT_SHIFT */
};

static uint64_t size_of(const struct heap_process *p, const struct live_block *b)
{
    const uint32_t *row = b->size == LIVE_BIG ? map_find(&p->big, b->address) : NULL;
    return row ? p->big_sizes[*row] : b->size;
}

/* What a block stands for: itself, or when sampled, all those like it that were passed over. */
static struct amount amount_of(const struct heap *h, const struct heap_process *p,
                               const struct live_block *b)
{
    uint64_t size = size_of(p, b);
    if (h->options.mode == HEAP_EXACT)
        return (struct amount){size, HEAP_ONE};
    return (struct amount){(uint64_t)llround((double)b->weight * (double)size),
                           (uint64_t)llround((double)b->weight * (double)HEAP_ONE)};
}

static float weight_of(uint64_t size, uint64_t every)
{
    double chance = -expm1(-(double)(size ? size : 1) / (double)(every ? every : 1));
    return (float)(1 / chance);
}

/* The site of a record's stack, remembered with the node. UINT32_MAX when memory is short. */
static uint32_t site_of(struct heap *h, struct heap_process *p, struct heap_ring *r, uint32_t node,
                        enum ring_domain domain)
{
    size_t memo = (size_t)node * 2 + (domain == RING_DOMAIN_MALLOC);
    if (domain != RING_DOMAIN_MMAP && node < r->nodes_cap && r->site_of_node[memo])
        return r->site_of_node[memo] - 1;
    uint32_t stack = heap_stack_of(h, p, r, node);
    uint32_t site = heap_site(h, p->index, stack, r->thread, domain);
    if (site != UINT32_MAX && domain != RING_DOMAIN_MMAP && node < r->nodes_cap)
        r->site_of_node[memo] = site + 1;
    return site;
}

static void set_size(struct heap *h, struct heap_process *p, struct live_block *b, uint64_t size)
{
    b->size = size < LIVE_BIG ? (uint32_t)size : LIVE_BIG;
    if (b->size != LIVE_BIG)
        return;
    const uint32_t *known = map_find(&p->big, b->address);
    uint32_t row = known ? *known : (uint32_t)p->big_len;
    if (!known && (!array_reserve(&p->big_sizes, &p->big_cap, p->big_len + 1) ||
                   !map_put(&p->big, b->address, row))) {
        h->dropped++;
        return;
    }
    if (!known)
        p->big_len++;
    p->big_sizes[row] = size;
}

static void release(struct heap *h, struct heap_process *p, const struct live_block *b)
{
    struct amount a = amount_of(h, p, b);
    bool is_temporary =
        h->options.mode == HEAP_EXACT && p->ordinal - b->ordinal <= h->options.temporary_len;
    heap_account_free(h, p, b->site, a.bytes, a.count, b->born_ms, is_temporary);
}

static void begin(struct heap *h, struct heap_process *p, const struct heap_ring *r,
                  struct live_block *b, uint32_t site, uint64_t size)
{
    set_size(h, p, b, size);
    b->site = site;
    b->born_ms = h->now_ms;
    if (h->options.mode == HEAP_EXACT)
        b->ordinal = ++p->ordinal;
    else
        b->weight = weight_of(size, r->every);
    struct amount a = amount_of(h, p, b);
    heap_account_alloc(h, p, site, a.bytes, a.count);
}

/* Threads without the GIL are not wholly in the order of turns: a block's free may come by one ring
 * before its allocation by another, or after the next allocation at its address. */
static bool take_early(struct heap_process *p, const struct heap_ring *r, uint64_t address)
{
    uint32_t *ring = p->early_len > 0 ? map_find(&p->early, address) : NULL;
    if (!ring || *ring == 0 || *ring == r->slot + 1)
        return false;
    *ring = 0;
    p->early_len--;
    return true;
}

void heap_forget_early(struct heap *h, struct heap_process *p, bool now)
{
    if (p->owed_len > 0 && h->passes - p->owed_pass > EARLY_PASSES) {
        p->owed_len = 0;
        map_clear(&p->owed);
    }
    if (p->early_len == 0 || (!now && h->passes - p->early_pass <= EARLY_PASSES))
        return;
    if (p->is_child)
        h->totals.inherited_frees += p->early_len;
    else
        h->totals.unknown_frees += p->early_len;
    p->early_len = 0;
    map_clear(&p->early);
}

static void free_unknown(struct heap *h, struct heap_process *p, const struct heap_ring *r,
                         uint64_t address)
{
    if (p->rings_len > 1 && p->early_len < MAX_OWED) {
        uint32_t *ring = map_find(&p->early, address);
        if ((!ring || *ring == 0) && map_put(&p->early, address, r->slot + 1)) {
            if (p->early_len++ == 0)
                p->early_pass = h->passes;
            return;
        }
    }
    if (p->is_child)
        h->totals.inherited_frees++;
    else
        h->totals.unknown_frees++;
}

static void apply_alloc(struct heap *h, struct heap_process *p, struct heap_ring *r,
                        const struct ring_record *record, uint64_t address, uint64_t size)
{
    uint32_t site = site_of(h, p, r, record->stack, ring_domain_of(record->word));
    if (site != UINT32_MAX && take_early(p, r, address)) {
        struct live_block passing = {.address = address};
        begin(h, p, r, &passing, site, size);
        release(h, p, &passing);
        return;
    }
    bool is_new;
    struct live_block *b = site == UINT32_MAX ? NULL : live_put(&p->live, address, &is_new);
    if (!b) {
        h->dropped++;
        return;
    }
    if (!is_new) {
        /* Its free has not come yet: another thread's ring still holds it. */
        if (p->rings_len > 1 && p->owed_len < MAX_OWED) {
            uint32_t *owed = map_find(&p->owed, address);
            if (p->owed_len == 0)
                p->owed_pass = h->passes;
            if (owed ? (++*owed, true) : map_put(&p->owed, address, 1))
                p->owed_len++;
        }
        release(h, p, b);
    }
    begin(h, p, r, b, site, size);
}

static void apply_free(struct heap *h, struct heap_process *p, const struct heap_ring *r,
                       uint64_t address)
{
    if (p->owed_len > 0) {
        uint32_t *owed = map_find(&p->owed, address);
        if (owed && *owed > 0) {
            --*owed;
            if (--p->owed_len == 0)
                map_clear(&p->owed);
            return;
        }
    }
    struct live_block *b = live_find(&p->live, address);
    if (!b) {
        free_unknown(h, p, r, address);
        return;
    }
    release(h, p, b);
    live_remove(&p->live, b);
}

struct unmapping {
    struct heap *h;
    struct heap_process *p;
};

static void unmapped_part(void *ctx, const struct mapping *piece, uint64_t bytes, bool is_whole)
{
    const struct unmapping *u = ctx;
    bool is_temporary = u->h->options.mode == HEAP_EXACT &&
                        u->p->ordinal - piece->ordinal <= u->h->options.temporary_len;
    heap_account_free(u->h, u->p, piece->site, bytes, is_whole && piece->counts ? HEAP_ONE : 0,
                      piece->born_ms, is_temporary);
}

static uint64_t unmap(struct heap *h, struct heap_process *p, uint64_t begin, uint64_t size)
{
    struct unmapping u = {h, p};
    uint64_t end = begin + ((size + PAGE - 1) & ~(uint64_t)(PAGE - 1));
    return end > begin ? mappings_remove(&p->mappings, begin, end, unmapped_part, &u) : 0;
}

static void apply_map(struct heap *h, struct heap_process *p, struct heap_ring *r,
                      const struct ring_record *record, uint64_t address, uint64_t size)
{
    uint32_t site = site_of(h, p, r, record->stack, RING_DOMAIN_MMAP);
    struct mapping m = {
        .begin = address,
        .end = address + ((size + PAGE - 1) & ~(uint64_t)(PAGE - 1)),
        .site = site,
        .born_ms = h->now_ms,
        .counts = 1,
    };
    if (m.end <= m.begin)
        return;
    (void)unmap(h, p, address, size); /* MAP_FIXED puts a mapping over others */
    m.ordinal = h->options.mode == HEAP_EXACT ? ++p->ordinal : 0;
    if (site == UINT32_MAX || !mappings_add(&p->mappings, &m)) {
        h->dropped++;
        return;
    }
    heap_account_alloc(h, p, site, m.end - m.begin, HEAP_ONE);
}

static void set_owner(struct heap *h, const struct heap_process *p, struct heap_ring *r,
                      uint64_t tid)
{
    stream_lock(h->stream);
    uint32_t thread = stream_thread(h->stream, p->row, tid, NULL);
    stream_unlock(h->stream);
    if (r->has_thread && thread == r->thread)
        return;
    r->thread = thread;
    r->has_thread = true;
    h->totals.threads++;
    if (r->site_of_node)
        memset(r->site_of_node, 0, r->nodes_cap * 2 * sizeof(*r->site_of_node));
}

void heap_apply(struct heap *h, struct heap_process *p, struct heap_ring *r,
                const struct ring_record *record)
{
    uint64_t address = ring_address_of(record->word);
    uint64_t size = record->size;
    if (size == RING_SIZE_EXTENDED && r->long_size)
        size = r->long_size;
    switch (ring_kind_of(record->word)) {
    case RING_ALLOC:
        if (address)
            apply_alloc(h, p, r, record, address, size);
        r->long_size = 0;
        break;
    case RING_FREE:
        if (address)
            apply_free(h, p, r, address);
        break;
    case RING_REMAP:
        if (r->unmapped_known)
            apply_map(h, p, r, record, address, size);
        r->long_size = 0;
        break;
    case RING_MAP:
        apply_map(h, p, r, record, address, size);
        r->long_size = 0;
        break;
    case RING_UNMAP:
        r->unmapped_known = unmap(h, p, address, size) > 0;
        r->long_size = 0;
        break;
    case RING_SIZE:
        r->long_size = address;
        break;
    case RING_OWNER:
        set_owner(h, p, r, address);
        break;
    case RING_GAP:
        /* Frees that were owed may be among the lost. */
        map_clear(&p->owed);
        p->owed_len = 0;
        break;
    case RING_MARK:
        heap_mark(h, p, r, record);
        break;
    case RING_EVERY:
        r->every = address;
        break;
    default: /* RING_TURN is the drain's */
        break;
    }
}
