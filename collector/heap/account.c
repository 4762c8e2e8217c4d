/* What happened to whose blocks, until the next rows are written. */
#include "collector/heap/state.h"
#include "common/base/array.h"

enum {
    /* Births long ago are told more coarsely: in steps of 10 ticks after 600, of 100 after 6000. */
    TICKS_FINE = 600,
    TICKS_MIDDLE = 6000,
};

uint32_t heap_site(struct heap *h, uint32_t process, uint32_t stack, uint32_t thread,
                   enum ring_domain domain)
{
    uint64_t key = map_pair(stack, thread << 2 | (uint32_t)domain);
    const uint32_t *known = map_find(&h->site_index, key);
    if (known)
        return *known;
    uint32_t site = (uint32_t)h->sites_len;
    if (!array_reserve(&h->sites, &h->sites_cap, h->sites_len + 1) ||
        !array_reserve(&h->touched, &h->touched_cap, h->sites_cap) ||
        !map_put(&h->site_index, key, site))
        return UINT32_MAX;
    h->sites[h->sites_len++] =
        (struct heap_site){.stack = stack, .thread = thread, .domain = domain, .process = process};
    return site;
}

static void add_change(struct heap_change *to, struct heap_change *from)
{
    to->allocated += from->allocated;
    to->allocations += from->allocations;
    to->freed += from->freed;
    to->frees += from->frees;
    to->temporary += from->temporary;
    to->temporaries += from->temporaries;
    *from = (struct heap_change){0};
}

void heap_site_settle(const struct heap_process *p, struct heap_site *s)
{
    if (s->peak_serial == p->peak_serial)
        return;
    s->peak_serial = p->peak_serial;
    add_change(&s->before, &s->after);
}

void heap_aged_settle(const struct heap_process *p, struct heap_aged *a)
{
    if (a->peak_serial == p->peak_serial)
        return;
    a->peak_serial = p->peak_serial;
    a->before.freed += a->after.freed;
    a->before.frees += a->after.frees;
    a->before.temporary += a->after.temporary;
    a->before.temporaries += a->after.temporaries;
    a->after.freed = a->after.frees = a->after.temporary = a->after.temporaries = 0;
}

static void touch(struct heap *h, struct heap_site *s)
{
    if (s->is_touched)
        return;
    s->is_touched = true;
    h->touched[h->touched_len++] = (uint32_t)(s - h->sites);
}

static size_t class_of(uint64_t value)
{
    size_t bits = value ? 64U - (size_t)__builtin_clzll(value) : 0;
    return bits < 23 ? bits : 23;
}

void heap_account_alloc(struct heap *h, struct heap_process *p, uint32_t site, uint64_t bytes,
                        uint64_t count)
{
    struct heap_site *s = &h->sites[site];
    touch(h, s);
    h->totals.allocated_bytes += bytes;
    h->allocations_fixed += count;
    h->totals.in_use_bytes += bytes;
    if (h->totals.in_use_bytes > h->totals.peak_bytes)
        h->totals.peak_bytes = h->totals.in_use_bytes;
    if (h->totals.in_use_bytes > h->total_peak) {
        h->total_peak = h->totals.in_use_bytes;
        h->total_peak_ns = h->now_ns;
    }
    p->in_use += bytes;
    bool is_peak = p->in_use > p->peak;
    if (is_peak) {
        p->peak = p->in_use;
        p->peak_ns = h->now_ns;
        p->peak_serial++;
    }
    heap_site_settle(p, s);
    struct heap_change *c = is_peak ? &s->before : &s->after;
    c->allocated += bytes;
    c->allocations += count;
    h->size_classes[class_of((bytes << HEAP_COUNT_SHIFT) / count)] += count;
}

static uint32_t coarse_tick(uint32_t tick, uint32_t now)
{
    uint32_t age = now - tick;
    uint32_t step = age <= TICKS_FINE ? 1 : age <= TICKS_MIDDLE ? 10 : 100;
    return tick - tick % step + step - 1;
}

static void account_aged(struct heap *h, struct heap_process *p, uint32_t site, uint64_t bytes,
                         uint64_t count, uint32_t born_tick, bool is_temporary)
{
    born_tick = coarse_tick(born_tick, h->tick);
    uint64_t key = map_pair(site, born_tick);
    const uint32_t *known = map_find(&h->aged_index, key);
    uint32_t row = known ? *known : (uint32_t)h->aged_len;
    if (!known) {
        if (!array_reserve(&h->aged, &h->aged_cap, h->aged_len + 1) ||
            !map_put(&h->aged_index, key, row)) {
            h->dropped++;
            return;
        }
        h->aged[h->aged_len++] =
            (struct heap_aged){.site = site, .born_tick = born_tick, .peak_serial = p->peak_serial};
    }
    struct heap_aged *a = &h->aged[row];
    heap_aged_settle(p, a);
    a->after.freed += bytes;
    a->after.frees += count;
    if (is_temporary) {
        a->after.temporary += bytes;
        a->after.temporaries += count;
    }
}

void heap_account_free(struct heap *h, struct heap_process *p, uint32_t site, uint64_t bytes,
                       uint64_t count, uint32_t born_ms, bool is_temporary)
{
    h->totals.freed_bytes += bytes;
    h->frees_fixed += count;
    h->totals.in_use_bytes -= bytes;
    p->in_use -= bytes;
    h->lifetimes[class_of(h->now_ms - born_ms)] += count;
    uint32_t born_tick = born_ms / (uint32_t)(h->interval_ns / 1000000);
    if (born_tick != h->tick) {
        account_aged(h, p, site, bytes, count, born_tick, is_temporary);
        return;
    }
    struct heap_site *s = &h->sites[site];
    touch(h, s);
    heap_site_settle(p, s);
    s->after.freed += bytes;
    s->after.frees += count;
    if (is_temporary) {
        s->after.temporary += bytes;
        s->after.temporaries += count;
    }
}
