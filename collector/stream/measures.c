#include <string.h>

#include "collector/stream/state.h"
#include "collector/stream/stream.h"
#include "common/base/array.h"
#include "common/base/clock.h"

uint32_t stream_sample_set(struct stream *s, const char *name, const char *const (*values)[2],
                           size_t values_len, uint64_t period)
{
    size_t name_len = strlen(name);
    for (size_t i = 0; i < s->sets.len; i++) {
        struct wire_bytes known = s->set[i].declaration.name;
        if (known.len == name_len && memcmp(known.data, name, name_len) == 0)
            return (uint32_t)i;
    }
    if (s->sets.len >= STREAM_MAX_SETS || values_len > WIRE_MAX_VALUES ||
        !array_reserve(&s->set, &s->sets.cap, s->sets.len + 1)) {
        s->drops.table_full++;
        return 0;
    }
    uint32_t id = (uint32_t)s->sets.len;
    struct wire_sample_set declaration = {.set = id, .values_len = values_len, .period = period};
    declaration.name = stream_keep_text(s, name, name_len);
    for (size_t i = 0; i < values_len; i++) {
        declaration.values[i].name = stream_keep_text(s, values[i][0], strlen(values[i][0]));
        declaration.values[i].unit = stream_keep_text(s, values[i][1], strlen(values[i][1]));
    }
    s->set[id] = (struct stream_set){.declaration = declaration};
    s->sets.len++;
    return id;
}

static bool reserve_rows(struct stream_rows *rows, size_t need, size_t values_len)
{
    bool fits = array_reserve(&rows->time_ns, &rows->time_cap, need) &&
                array_reserve(&rows->thread, &rows->thread_cap, need) &&
                array_reserve(&rows->stack, &rows->stack_cap, need) &&
                array_reserve(&rows->state, &rows->state_cap, need);
    for (size_t i = 0; fits && i < values_len; i++)
        fits = array_reserve(&rows->value[i], &rows->value_cap[i], need);
    return fits;
}

void stream_samples(struct stream *s, uint32_t set, size_t len, const uint64_t *time_ns,
                    const uint32_t *thread, const uint32_t *stack, const uint32_t *state,
                    const int64_t *values)
{
    if (set >= s->sets.len || len == 0)
        return;
    struct stream_rows *rows = &s->set[set].rows;
    size_t values_len = s->set[set].declaration.values_len;
    size_t room = s->limits.pending_samples - s->pending_samples;
    size_t take = len < room ? len : room;
    if (take > 0 && !reserve_rows(rows, rows->len + take, values_len))
        take = 0;
    s->drops.samples += len - take;
    if (take == 0)
        return;

    size_t at = rows->len;
    for (size_t i = 0; i < take; i++)
        rows->time_ns[at + i] = stream_relative(s, time_ns[i]);
    memcpy(rows->stack + at, stack, take * sizeof(*stack));
    if (thread)
        memcpy(rows->thread + at, thread, take * sizeof(*thread));
    else
        memset(rows->thread + at, 0, take * sizeof(*thread));
    if (state)
        memcpy(rows->state + at, state, take * sizeof(*state));
    else
        memset(rows->state + at, 0, take * sizeof(*state));
    for (size_t v = 0; v < values_len; v++)
        memcpy(rows->value[v] + at, values + v * len, take * sizeof(*values));
    rows->len += take;
    s->pending_samples += take;
}

uint32_t stream_metric(struct stream *s, const char *name, const char *unit, bool has_process,
                       uint32_t process)
{
    /* Hashed so that thousands of processes with a few metrics each are still found at once. */
    uint64_t key = has_process ? (uint64_t)process + 1 : 0;
    for (const char *c = name; *c; c++)
        key = map_mix(key ^ (unsigned char)*c);
    const uint32_t *known;
    while ((known = map_find(&s->by_metric, key))) {
        const struct wire_metric *m = &s->series[*known].declaration;
        if (m->has_process == has_process && (!has_process || m->process == process) &&
            m->name.len == strlen(name) && memcmp(m->name.data, name, m->name.len) == 0)
            return *known;
        key++;
    }
    uint32_t id = (uint32_t)s->metrics.len;
    if (s->metrics.len >= STREAM_MAX_METRICS ||
        !array_reserve(&s->series, &s->metrics.cap, s->metrics.len + 1) ||
        !map_put(&s->by_metric, key, id)) {
        s->drops.table_full++;
        return 0;
    }
    s->series[id] = (struct stream_series){
        .declaration = {.metric = id,
                        .name = stream_keep_text(s, name, strlen(name)),
                        .unit = stream_keep_text(s, unit, strlen(unit)),
                        .has_process = has_process,
                        .process = has_process ? process : 0},
    };
    s->metrics.len++;
    return id;
}

void stream_point(struct stream *s, uint32_t metric, uint64_t time_ns, double value)
{
    if (metric >= s->metrics.len)
        return;
    struct stream_point_rows *rows = &s->series[metric].rows;
    if (s->pending_points >= s->limits.pending_samples ||
        !array_reserve(&rows->time_ns, &rows->time_cap, rows->len + 1) ||
        !array_reserve(&rows->value, &rows->value_cap, rows->len + 1)) {
        s->drops.points++;
        return;
    }
    rows->time_ns[rows->len] = stream_relative(s, time_ns);
    rows->value[rows->len++] = value;
    s->pending_points++;
}

void stream_span(struct stream *s, const struct wire_span *span)
{
    if (s->spans_len >= s->limits.pending_samples ||
        !array_reserve(&s->span, &s->spans_cap, s->spans_len + 1)) {
        s->drops.spans++;
        return;
    }
    struct wire_span *row = &s->span[s->spans_len++];
    *row = *span;
    row->begin_ns = stream_relative(s, span->begin_ns);
    row->end_ns = span->end_ns ? stream_relative(s, span->end_ns) : 0;
}

void stream_notice(struct stream *s, uint32_t severity, const char *code, const char *text)
{
    if (s->notices_len >= STREAM_MAX_NOTICES ||
        !array_reserve(&s->notice, &s->notices_cap, s->notices_len + 1)) {
        s->drops.notices++;
        return;
    }
    s->notice[s->notices_len++] = (struct wire_notice){
        .severity = severity,
        .code = stream_keep_text(s, code, strlen(code)),
        .text = stream_keep_text(s, text, strlen(text)),
        .time_ns = stream_relative(s, clock_monotonic_ns()),
    };
}

void stream_counter_set(struct stream *s, const char *name, uint64_t value)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < s->counters_len; i++) {
        struct stream_counter *c = &s->counter[i];
        if (c->name.len == len && memcmp(c->name.data, name, len) == 0) {
            c->is_changed |= c->value != value;
            c->value = value;
            return;
        }
    }
    if (s->counters_len >= STREAM_MAX_COUNTERS ||
        !array_reserve(&s->counter, &s->counters_cap, s->counters_len + 1)) {
        s->drops.table_full++;
        return;
    }
    s->counter[s->counters_len++] = (struct stream_counter){
        .name = stream_keep_text(s, name, len), .value = value, .is_changed = true};
}
