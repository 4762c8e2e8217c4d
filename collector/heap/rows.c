/* What changed, as rows of the stream: the sample set "heap", series and counters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/heap/state.h"
#include "common/base/array.h"

enum { VALUES = 7, DOMAIN_SHIFT = 6 };

struct heap_row {
    uint64_t time_ns;
    uint32_t site;
    uint64_t value[VALUES];
};

void heap_declare(struct heap *h)
{
    static const char *const values[VALUES][2] = {
        {"allocated", "bytes"}, {"allocations", "count"}, {"freed", "bytes"}, {"frees", "count"},
        {"temporary", "bytes"}, {"temporaries", "count"}, {"born", "ns"},
    };
    uint64_t period = h->options.mode == HEAP_SAMPLED ? h->options.every_bytes : 1;
    stream_lock(h->stream);
    h->set = stream_sample_set(h->stream, "heap", values, VALUES, period);
    h->metric_total = stream_metric(h->stream, "heap", "bytes", false, 0);
    stream_unlock(h->stream);
}

/* The whole blocks of a count; the rest is carried to the next rows. */
static uint64_t whole(uint64_t fixed, uint64_t *carry)
{
    uint64_t sum = fixed + *carry;
    *carry = sum & (HEAP_ONE - 1);
    return sum >> HEAP_COUNT_SHIFT;
}

static uint64_t tick_end_ns(const struct heap *h, uint32_t tick)
{
    uint64_t end = h->start_ns + ((uint64_t)tick + 1) * h->interval_ns;
    uint64_t zero = stream_start_ns(h->stream);
    return end > zero ? end - zero : 0;
}

static struct heap_row *add_row(struct heap *h, size_t *len, uint64_t time_ns, uint32_t site,
                                uint32_t born_tick)
{
    if (!array_reserve(&h->rows, &h->rows_cap, *len + 1)) {
        h->dropped++;
        return NULL;
    }
    struct heap_row *row = &h->rows[(*len)++];
    *row = (struct heap_row){.time_ns = time_ns, .site = site};
    row->value[VALUES - 1] = tick_end_ns(h, born_tick);
    return row;
}

static void add_change(struct heap *h, size_t *len, uint64_t time_ns, struct heap_site *s,
                       const struct heap_change *c)
{
    if (c->allocations == 0 && c->frees == 0 && c->allocated == 0 && c->freed == 0)
        return;
    struct heap_row *row = add_row(h, len, time_ns, (uint32_t)(s - h->sites), h->tick);
    if (!row)
        return;
    row->value[0] = c->allocated;
    row->value[1] = whole(c->allocations, &s->allocations_carry);
    row->value[2] = c->freed;
    row->value[3] = whole(c->frees, &s->frees_carry);
    row->value[4] = c->temporary;
    row->value[5] = whole(c->temporaries, &s->temporaries_carry);
}

static void add_aged(struct heap *h, size_t *len, uint64_t time_ns, const struct heap_aged *a,
                     uint64_t freed, uint64_t frees, uint64_t temporary, uint64_t temporaries)
{
    if (freed == 0 && frees == 0)
        return;
    struct heap_site *s = &h->sites[a->site];
    struct heap_row *row = add_row(h, len, time_ns, a->site, a->born_tick);
    if (!row)
        return;
    row->value[2] = freed;
    row->value[3] = whole(frees, &s->frees_carry);
    row->value[4] = temporary;
    row->value[5] = whole(temporaries, &s->temporaries_carry);
}

static size_t collect_rows(struct heap *h, uint64_t end_ns)
{
    size_t len = 0;
    for (size_t i = 0; i < h->touched_len; i++) {
        struct heap_site *s = &h->sites[h->touched[i]];
        const struct heap_process *p = h->processes[s->process];
        heap_site_settle(p, s);
        add_change(h, &len, p->peak_ns, s, &s->before);
        add_change(h, &len, end_ns, s, &s->after);
        s->before = s->after = (struct heap_change){0};
        s->is_touched = false;
    }
    for (size_t i = 0; i < h->aged_len; i++) {
        struct heap_aged *a = &h->aged[i];
        const struct heap_process *p = h->processes[h->sites[a->site].process];
        heap_aged_settle(p, a);
        add_aged(h, &len, p->peak_ns, a, a->before.freed, a->before.frees, a->before.temporary,
                 a->before.temporaries);
        add_aged(h, &len, end_ns, a, a->after.freed, a->after.frees, a->after.temporary,
                 a->after.temporaries);
    }
    h->touched_len = 0;
    h->aged_len = 0;
    map_clear(&h->aged_index);
    return len;
}

static int by_time(const void *a, const void *b)
{
    const struct heap_row *x = a;
    const struct heap_row *y = b;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return x->site < y->site ? -1 : x->site > y->site;
}

static void put_rows(struct heap *h, size_t len)
{
    if (len == 0)
        return;
    qsort(h->rows, len, sizeof(*h->rows), by_time);
    if (!array_reserve(&h->column_time, &h->time_cap, len) ||
        !array_reserve(&h->column_thread, &h->thread_cap, len) ||
        !array_reserve(&h->column_stack, &h->stack_cap, len) ||
        !array_reserve(&h->column_state, &h->state_cap, len) ||
        !array_reserve(&h->column_values, &h->values_cap, len * VALUES)) {
        h->dropped += len;
        return;
    }
    for (size_t i = 0; i < len; i++) {
        const struct heap_site *s = &h->sites[h->rows[i].site];
        h->column_time[i] = h->rows[i].time_ns;
        h->column_thread[i] = s->thread;
        h->column_stack[i] = s->stack;
        h->column_state[i] = (uint32_t)s->domain << DOMAIN_SHIFT;
        for (size_t v = 0; v < VALUES; v++)
            h->column_values[v * len + i] = (int64_t)h->rows[i].value[v];
    }
    stream_samples(h->stream, h->set, len, h->column_time, h->column_thread, h->column_stack,
                   h->column_state, h->column_values);
}

static void put_points(struct heap *h, uint64_t end_ns)
{
    for (size_t i = 0; i < h->active_len; i++) {
        struct heap_process *p = h->processes[h->active[i]];
        if (p->peak > p->in_use && (!p->has_point || p->peak > p->last_point))
            stream_point(h->stream, p->metric, p->peak_ns, (double)p->peak);
        if (!p->has_point || p->last_point != p->in_use)
            stream_point(h->stream, p->metric, end_ns, (double)p->in_use);
        p->has_point = true;
        p->last_point = p->in_use;
        p->peak = p->in_use;
        p->peak_ns = end_ns;
        uint64_t arenas = atomic_load(&ring_region_process(h->region, p->slot)->arena_bytes);
        if (arenas != p->last_arenas)
            stream_point(h->stream, p->metric_arenas, end_ns, (double)arenas);
        p->last_arenas = arenas;
    }
    /* What the last process still had when it ended is the line's end, not nothing. */
    if (h->active_len == 0)
        return;
    if (h->total_peak > h->totals.in_use_bytes && h->total_peak > h->last_total)
        stream_point(h->stream, h->metric_total, h->total_peak_ns, (double)h->total_peak);
    if (h->totals.in_use_bytes != h->last_total)
        stream_point(h->stream, h->metric_total, end_ns, (double)h->totals.in_use_bytes);
    h->last_total = h->total_peak = h->totals.in_use_bytes;
}

static void put_classes(struct heap *h, const char *kind, const uint64_t *classes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char name[48];
        if (classes[i] == 0)
            continue;
        snprintf(name, sizeof(name), "%s_%llu", kind, 1ULL << i);
        stream_counter_set(h->stream, name, classes[i] >> HEAP_COUNT_SHIFT);
    }
}

static void put_counters(struct heap *h)
{
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {
        {"heap_events", h->totals.events},
        {"heap_gaps", h->totals.lost},
        {"heap_unknown_frees", h->totals.unknown_frees},
        {"heap_inherited_frees", h->totals.inherited_frees},
        {"heap_waits", h->totals.waits},
        {"heap_dropped", h->dropped},
        {"heap_peak_bytes", h->totals.peak_bytes},
        {"heap_every_bytes", atomic_load(&ring_region_control(h->region)->every_bytes)},
        {"heap_every_bytes_most", h->every_most},
    };
    size_t len = sizeof(counters) / sizeof(counters[0]);
    if (h->options.mode == HEAP_EXACT)
        len -= 2; /* of samples only */
    for (size_t i = 0; i < len; i++)
        stream_counter_set(h->stream, counters[i].name, counters[i].value);
    put_classes(h, "heap_size_below", h->size_classes,
                sizeof(h->size_classes) / sizeof(h->size_classes[0]));
    put_classes(h, "heap_life_ms_below", h->lifetimes,
                sizeof(h->lifetimes) / sizeof(h->lifetimes[0]));
}

/* All that is drained in one go has one time. When a process ends in it, its rows are written at
 * once: what came after its highest moment is told a nanosecond later, so that the two stay apart.
 */
static uint64_t after_peaks(struct heap *h, uint64_t end_ns)
{
    uint64_t after = end_ns > h->total_peak_ns ? end_ns : h->total_peak_ns + 1;
    for (size_t i = 0; i < h->active_len; i++) {
        uint64_t peak_ns = h->processes[h->active[i]]->peak_ns;
        after = after > peak_ns ? after : peak_ns + 1;
    }
    if (after != end_ns && h->now_ns < after)
        h->now_ns = after;
    return after;
}

void heap_write_rows(struct heap *h, uint64_t end_ns)
{
    end_ns = after_peaks(h, end_ns);
    size_t len = collect_rows(h, end_ns);
    stream_lock(h->stream);
    put_rows(h, len);
    put_points(h, end_ns);
    put_counters(h);
    stream_unlock(h->stream);
}
