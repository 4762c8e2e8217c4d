#include "backend/formats/trace_slices.h"

#include <stdlib.h>

#include "common/base/array.h"

struct slice {
    int64_t begin_ns, end_ns;
    uint32_t frame, order;
};

struct active {
    int64_t end_ns;
    uint32_t frame, stack;
};

struct sweep {
    struct builder *build;
    uint32_t set, thread;
    int64_t base_ns, now_ns;
    struct slice *slices;
    size_t *open; /* begins without an end yet */
    struct active *active;
    size_t slices_len, slices_cap, open_len, open_cap, active_len, active_cap;
    bool is_nested; /* the innermost active slice ends first */
    size_t steps;   /* spent on slices that are not nested */
};

/* Overlapping slices cost time in proportion to their number squared. */
enum { MAX_STEPS = 200000000 };

static int compare_events(const void *a, const void *b)
{
    const struct trace_event *x = a;
    const struct trace_event *y = b;
    if (x->track != y->track)
        return x->track < y->track ? -1 : 1;
    if (x->at_ns != y->at_ns)
        return x->at_ns < y->at_ns ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int compare_slices(const void *a, const void *b)
{
    const struct slice *x = a;
    const struct slice *y = b;
    if (x->begin_ns != y->begin_ns)
        return x->begin_ns < y->begin_ns ? -1 : 1;
    if (x->end_ns != y->end_ns)
        return x->end_ns > y->end_ns ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* ---- events to slices ---- */

static bool add_slice(struct sweep *s, const struct trace_event *e, int64_t end_ns)
{
    if (!array_reserve(&s->slices, &s->slices_cap, s->slices_len + 1))
        return builder_check(s->build, STATUS_NO_MEMORY);
    s->slices[s->slices_len++] = (struct slice){
        .begin_ns = e->at_ns, .end_ns = end_ns, .frame = e->frame, .order = e->order};
    return true;
}

static bool pair_events(struct sweep *s, const struct trace_event *e, size_t len,
                        struct trace_counts *counts)
{
    int64_t last_ns = e[0].at_ns;
    s->slices_len = s->open_len = 0;
    for (size_t i = 0; i < len; i++) {
        int64_t end_ns = e[i].at_ns + e[i].dur_ns;
        last_ns = end_ns > last_ns ? end_ns : last_ns;
        if (e[i].phase == TRACE_END) {
            if (s->open_len)
                s->slices[s->open[--s->open_len]].end_ns = e[i].at_ns;
            else
                counts->unmatched_ends++;
            continue;
        }
        if (!add_slice(s, &e[i], end_ns))
            return false;
        if (e[i].phase == TRACE_BEGIN) {
            if (!array_reserve(&s->open, &s->open_cap, s->open_len + 1))
                return builder_check(s->build, STATUS_NO_MEMORY);
            s->open[s->open_len++] = s->slices_len - 1;
        }
    }
    counts->unclosed_begins += s->open_len;
    while (s->open_len)
        s->slices[s->open[--s->open_len]].end_ns = last_ns;
    return true;
}

/* ---- slices to samples ---- */

static void emit(struct sweep *s, uint32_t stack, int64_t from_ns, int64_t value)
{
    struct profile_sample sample = {
        .time_ns = (uint64_t)(from_ns - s->base_ns),
        .thread = s->thread,
        .stack = stack,
        .values = &value,
    };
    builder_sample(s->build, s->set, &sample);
}

static bool spend(struct sweep *s, size_t steps)
{
    s->steps += steps;
    return s->steps <= MAX_STEPS || builder_check(s->build, STATUS_TOO_LARGE);
}

static size_t first_to_end(struct sweep *s)
{
    size_t best = s->active_len - 1;
    if (s->is_nested)
        return best;
    spend(s, s->active_len);
    for (size_t i = 0; i < s->active_len; i++) {
        if (s->active[i].end_ns < s->active[best].end_ns)
            best = i;
    }
    return best;
}

static void drop_active(struct sweep *s, size_t at)
{
    s->active_len--;
    if (at < s->active_len)
        spend(s, s->active_len - at);
    for (size_t i = at; i < s->active_len && !s->build->failed; i++) {
        s->active[i] = s->active[i + 1];
        s->active[i].stack =
            builder_stack(s->build, i ? s->active[i - 1].stack : 0, s->active[i].frame);
    }
    if (s->active_len <= 1)
        s->is_nested = true;
}

static void advance(struct sweep *s, int64_t to_ns)
{
    while (s->active_len && !s->build->failed) {
        size_t at = first_to_end(s);
        int64_t end_ns = s->active[at].end_ns;
        int64_t until_ns = end_ns < to_ns ? end_ns : to_ns;
        if (until_ns > s->now_ns)
            emit(s, s->active[s->active_len - 1].stack, s->now_ns, until_ns - s->now_ns);
        s->now_ns = until_ns > s->now_ns ? until_ns : s->now_ns;
        if (end_ns > to_ns)
            return;
        drop_active(s, at);
    }
    s->now_ns = to_ns;
}

static void begin_slice(struct sweep *s, const struct slice *slice)
{
    uint32_t parent = s->active_len ? s->active[s->active_len - 1].stack : 0;
    uint32_t stack = builder_stack(s->build, parent, slice->frame);
    if (slice->end_ns <= slice->begin_ns) {
        emit(s, stack, slice->begin_ns, 0);
        return;
    }
    if (!array_reserve(&s->active, &s->active_cap, s->active_len + 1)) {
        builder_check(s->build, STATUS_NO_MEMORY);
        return;
    }
    if (s->active_len && slice->end_ns > s->active[s->active_len - 1].end_ns)
        s->is_nested = false;
    s->active[s->active_len++] =
        (struct active){.end_ns = slice->end_ns, .frame = slice->frame, .stack = stack};
}

static void sweep_track(struct sweep *s, const struct trace_event *e, size_t len,
                        struct trace_counts *counts)
{
    if (!pair_events(s, e, len, counts) || s->slices_len == 0)
        return;
    qsort(s->slices, s->slices_len, sizeof(*s->slices), compare_slices);
    s->active_len = 0;
    s->is_nested = true;
    s->now_ns = s->slices[0].begin_ns;
    for (size_t i = 0; i < s->slices_len && !s->build->failed; i++) {
        advance(s, s->slices[i].begin_ns);
        begin_slice(s, &s->slices[i]);
    }
    advance(s, INT64_MAX);
}

void trace_slices_add(struct trace_events *events, const uint32_t *thread_of_track, int64_t base_ns,
                      struct builder *b, uint32_t set, struct trace_counts *counts)
{
    struct sweep s = {.build = b, .set = set, .base_ns = base_ns};
    if (events->len)
        qsort(events->items, events->len, sizeof(*events->items), compare_events);
    for (size_t from = 0, to; from < events->len && !b->failed; from = to) {
        for (to = from + 1; to < events->len; to++) {
            if (events->items[to].track != events->items[from].track)
                break;
        }
        s.thread = thread_of_track[events->items[from].track];
        sweep_track(&s, &events->items[from], to - from, counts);
    }
    free(s.slices);
    free(s.open);
    free(s.active);
}
