#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/model/profile.h"
#include "backend/model/rows.h"

/* What a profile holds beside its samples. */

static void saw_time(struct profile *p, uint64_t time_ns)
{
    if (time_ns > p->duration_ns)
        p->duration_ns = time_ns;
}

enum status profile_add_series(struct profile *p, const char *name, const char *unit,
                               const uint32_t *process, uint32_t *series)
{
    if (p->series_len >= PROFILE_MAX_SERIES)
        return STATUS_TOO_LARGE;
    if (process && *process != 0 && *process >= p->tables.processes_len)
        return STATUS_INVALID;
    struct series made = {.has_process = process != NULL, .process = process ? *process : 0};
    enum status st = tables_string(&p->tables, name, strlen(name), &made.name);
    if (st == STATUS_OK)
        st = tables_string(&p->tables, unit, strlen(unit), &made.unit);
    if (st == STATUS_OK)
        st = rows_reserve(&p->series, &p->series_cap, p->series_len);
    if (st != STATUS_OK)
        return st;
    p->series[p->series_len] = made;
    *series = (uint32_t)p->series_len++;
    return STATUS_OK;
}

enum status profile_add_point(struct profile *p, uint32_t series, uint64_t time_ns, double value)
{
    if (series >= p->series_len || time_ns > INT64_MAX)
        return STATUS_INVALID;
    struct series *s = &p->series[series];
    size_t time_cap = s->cap;
    size_t value_cap = s->cap;
    enum status st = rows_reserve(&s->time_ns, &time_cap, s->len);
    if (st == STATUS_OK)
        st = rows_reserve(&s->value, &value_cap, s->len);
    if (st != STATUS_OK)
        return st;
    s->cap = value_cap;
    s->time_ns[s->len] = time_ns;
    s->value[s->len] = value;
    s->len++;
    saw_time(p, time_ns);
    return STATUS_OK;
}

static uint64_t span_key(const struct model_span *span)
{
    uint64_t key = map_mix(span->begin_ns) ^ map_pair(span->name, span->process);
    return map_mix(key) + span->thread;
}

static bool same_beginning(const struct model_span *a, const struct model_span *b)
{
    return a->name == b->name && a->begin_ns == b->begin_ns && a->process == b->process &&
           a->thread == b->thread;
}

/* The open span that `span` closes, or NULL. */
static struct model_span *find_open(struct profile *p, const struct model_span *span)
{
    uint64_t key = span_key(span);
    const uint32_t *row = map_find(&p->open_spans, key);
    for (; row; row = map_find(&p->open_spans, key = rows_next_key(key))) {
        if (same_beginning(&p->spans[*row], span))
            return p->spans[*row].end_ns == 0 ? &p->spans[*row] : NULL;
    }
    return NULL;
}

enum status profile_add_span(struct profile *p, const struct model_span *span)
{
    const struct tables *t = &p->tables;
    if (span->name >= t->strings.len || (span->process && span->process >= t->processes_len) ||
        (span->thread && span->thread >= t->threads_len) || span->begin_ns > INT64_MAX ||
        span->end_ns > INT64_MAX)
        return STATUS_INVALID;
    saw_time(p, span->begin_ns);
    saw_time(p, span->end_ns);
    struct model_span *open = find_open(p, span);
    if (open) {
        *open = *span;
        return STATUS_OK;
    }
    enum status st = rows_reserve(&p->spans, &p->spans_cap, p->spans_len);
    if (st == STATUS_OK && span->end_ns == 0 &&
        !rows_index(&p->open_spans, span_key(span), p->spans_len))
        st = STATUS_NO_MEMORY;
    if (st == STATUS_OK)
        p->spans[p->spans_len++] = *span;
    return st;
}

struct model_counter *profile_find_counter(const struct profile *p, const char *name, size_t len)
{
    uint32_t id;
    if (!strtab_find(&p->tables.strings, name, len, &id))
        return NULL;
    for (size_t i = 0; i < p->counters_len; i++) {
        if (p->counters[i].name == id)
            return &p->counters[i];
    }
    return NULL;
}

enum status profile_set_counter_bytes(struct profile *p, const char *name, size_t len,
                                      uint64_t value)
{
    struct model_counter *known = profile_find_counter(p, name, len);
    if (known) {
        known->value = value;
        return STATUS_OK;
    }
    /* The last place is kept for the count of what did not fit. */
    static const char ours[] = PROFILE_NOTICES_DROPPED;
    bool is_ours = len == sizeof(ours) - 1 && memcmp(name, ours, len) == 0;
    if (p->counters_len >= PROFILE_MAX_COUNTERS && !is_ours)
        return STATUS_TOO_LARGE;
    struct model_counter made = {.value = value};
    enum status st = tables_string(&p->tables, name, len, &made.name);
    if (st == STATUS_OK)
        st = rows_reserve(&p->counters, &p->counters_cap, p->counters_len);
    if (st == STATUS_OK)
        p->counters[p->counters_len++] = made;
    return st;
}

enum status profile_set_counter(struct profile *p, const char *name, uint64_t value)
{
    return profile_set_counter_bytes(p, name, strlen(name), value);
}

static enum status count_dropped_notice(struct profile *p)
{
    static const char name[] = PROFILE_NOTICES_DROPPED;
    const struct model_counter *known = profile_find_counter(p, name, sizeof(name) - 1);
    return profile_set_counter(p, name, known ? known->value + 1 : 1);
}

enum status profile_add_notice(struct profile *p, uint32_t severity, const char *code,
                               size_t code_len, const char *text, size_t text_len, uint64_t time_ns)
{
    if (p->notices_len >= PROFILE_MAX_NOTICES)
        return count_dropped_notice(p);
    struct model_notice notice = {.severity = severity, .time_ns = time_ns};
    enum status st = tables_string(&p->tables, code, code_len, &notice.code);
    if (st == STATUS_OK)
        st = tables_string(&p->tables, text, text_len, &notice.text);
    if (st == STATUS_OK)
        st = rows_reserve(&p->notices, &p->notices_cap, p->notices_len);
    if (st == STATUS_OK)
        p->notices[p->notices_len++] = notice;
    return st;
}

enum status profile_add_warning(struct profile *p, const char *code, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return profile_add_notice(p, 1, code, strlen(code), text, strlen(text), 0);
}

enum status profile_add_call_row(struct profile *p, const struct call_row *row, uint32_t *index)
{
    struct call_graph *graph = &p->call_graph;
    if (row->function >= p->tables.functions_len)
        return STATUS_INVALID;
    enum status st = rows_reserve(&graph->rows, &graph->rows_cap, graph->rows_len);
    if (st != STATUS_OK)
        return st;
    graph->rows[graph->rows_len] = *row;
    *index = (uint32_t)graph->rows_len++;
    return STATUS_OK;
}

enum status profile_add_call_edge(struct profile *p, const struct call_edge *edge)
{
    struct call_graph *graph = &p->call_graph;
    if (edge->caller >= graph->rows_len || edge->callee >= graph->rows_len)
        return STATUS_INVALID;
    enum status st = rows_reserve(&graph->edges, &graph->edges_cap, graph->edges_len);
    if (st == STATUS_OK)
        graph->edges[graph->edges_len++] = *edge;
    return st;
}

enum status profile_add_line(struct profile *p, const struct line_row *row)
{
    if (row->function >= p->tables.functions_len)
        return STATUS_INVALID;
    enum status st = rows_reserve(&p->lines, &p->lines_cap, p->lines_len);
    if (st == STATUS_OK)
        p->lines[p->lines_len++] = *row;
    return st;
}

enum status profile_add_source(struct profile *p, uint32_t file, uint32_t text)
{
    if (file >= p->tables.strings.len || text >= p->tables.strings.len)
        return STATUS_INVALID;
    enum status st = rows_reserve(&p->sources, &p->sources_cap, p->sources_len);
    if (st == STATUS_OK)
        p->sources[p->sources_len++] = (struct model_source){.file = file, .text = text};
    return st;
}

enum status profile_add_benchmark(struct profile *p, const struct model_benchmark *b,
                                  const double *data_s, size_t data_len)
{
    if (b->name >= p->tables.strings.len || b->group >= p->tables.strings.len)
        return STATUS_INVALID;
    if (data_len > PROFILE_MAX_ROUNDS)
        return STATUS_TOO_LARGE;
    enum status st = rows_reserve(&p->benchmarks, &p->benchmarks_cap, p->benchmarks_len);
    if (st != STATUS_OK)
        return st;
    struct model_benchmark made = *b;
    made.data_s = NULL;
    made.data_len = data_len;
    if (data_len) {
        made.data_s = malloc(data_len * sizeof(*made.data_s));
        if (!made.data_s)
            return STATUS_NO_MEMORY;
        memcpy(made.data_s, data_s, data_len * sizeof(*made.data_s));
    }
    p->benchmarks[p->benchmarks_len++] = made;
    return STATUS_OK;
}
