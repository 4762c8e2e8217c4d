#include "backend/formats/write_view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint32_t copy_string(const struct profile *p, struct profile *to, uint32_t string,
                            enum status *st)
{
    uint32_t id = 0;
    if (*st == STATUS_OK)
        *st = tables_string(&to->tables, strtab_text(&p->tables.strings, string),
                            strtab_len(&p->tables.strings, string), &id);
    return id;
}

static uint32_t copy_frame(const struct profile *p, struct profile *to, uint32_t function,
                           uint32_t line, enum status *st)
{
    struct wire_function f = p->tables.functions[function];
    struct wire_frame frame = {.line = line};
    uint32_t id = 0;
    f.name = copy_string(p, to, f.name, st);
    f.file = copy_string(p, to, f.file, st);
    f.module = copy_string(p, to, f.module, st);
    if (*st == STATUS_OK)
        *st = tables_function(&to->tables, &f, &frame.function);
    if (*st == STATUS_OK)
        *st = tables_frame(&to->tables, &frame, &id);
    return id;
}

static void add_stack(struct profile *to, const uint32_t *frames, size_t depth, double amount,
                      enum status *st)
{
    struct profile_sample sample = {.time_ns = UINT64_MAX};
    int64_t value = fabs(amount) < 9e18 ? llround(amount) : INT64_MAX;
    sample.values = &value;
    for (size_t i = 0; i < depth && *st == STATUS_OK; i++)
        *st = tables_stack(&to->tables, sample.stack, frames[i], &sample.stack);
    if (*st == STATUS_OK && value != 0)
        *st = profile_add_sample(to, 0, &sample);
}

/* A function's own time stands below each of its direct callers: a call graph knows no more. */
static enum status stacks_of_graph(const struct profile *p, struct profile *to)
{
    const struct call_graph *g = &p->call_graph;
    const char *unit = strtab_text(&p->tables.strings, g->unit);
    bool is_time = strcmp(unit, "s") == 0 || *unit == 0;
    double scale = is_time ? 1e9 : 1;
    uint32_t id;
    enum status st = profile_add_set(to, "call graph", 0, &id);
    if (st == STATUS_OK)
        st = profile_add_value_type(to, 0, is_time ? "time" : unit, is_time ? "ns" : "count", &id);
    double *left = malloc((g->rows_len + 1) * sizeof(*left));
    if (!left)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < g->rows_len; i++)
        left[i] = g->rows[i].self;
    for (size_t i = 0; i < g->edges_len && st == STATUS_OK; i++) {
        const struct call_edge *e = &g->edges[i];
        if (!(e->self > 0) || e->caller == e->callee)
            continue;
        uint32_t frames[2] = {copy_frame(p, to, g->rows[e->caller].function, 0, &st),
                              copy_frame(p, to, g->rows[e->callee].function, 0, &st)};
        left[e->callee] -= e->self;
        add_stack(to, frames, 2, e->self * scale, &st);
    }
    for (size_t i = 0; i < g->rows_len && st == STATUS_OK; i++) {
        uint32_t frame = copy_frame(p, to, g->rows[i].function, 0, &st);
        if (round(left[i] * scale) > 0)
            add_stack(to, &frame, 1, left[i] * scale, &st);
    }
    free(left);
    return st;
}

static enum status stacks_of_lines(const struct profile *p, struct profile *to)
{
    uint32_t id;
    enum status st = profile_add_set(to, "lines", 0, &id);
    if (st == STATUS_OK)
        st = profile_add_value_type(to, 0, "time", "ns", &id);
    for (size_t i = 0; i < p->lines_len && st == STATUS_OK; i++) {
        const struct line_row *row = &p->lines[i];
        uint32_t frame = copy_frame(p, to, row->function, row->line, &st);
        if (row->time_s > 0)
            add_stack(to, &frame, 1, row->time_s * 1e9, &st);
    }
    return st;
}

enum status write_view_init(struct write_view *v, const struct profile *p, struct error *err)
{
    *v = (struct write_view){.profile = p};
    bool has_samples = p->sets_len > 0;
    if (has_samples)
        return STATUS_OK;
    if (p->call_graph.rows_len == 0 && p->lines_len == 0)
        return error_set(err, STATUS_UNSUPPORTED,
                         "the profile has no stacks, calls or lines that could be written so");
    enum status st = profile_new(&v->made);
    if (st == STATUS_OK && p->call_graph.rows_len)
        st = stacks_of_graph(p, v->made);
    else if (st == STATUS_OK)
        st = stacks_of_lines(p, v->made);
    if (st == STATUS_OK)
        st = profile_finish(v->made);
    if (st != STATUS_OK) {
        write_view_deinit(v);
        return error_set(err, st, "stacks could not be made of the call graph (%s)",
                         status_name(st));
    }
    v->profile = v->made;
    return STATUS_OK;
}

void write_view_deinit(struct write_view *v)
{
    profile_free(v->made);
    v->made = NULL;
}

void write_view_list_lost(const struct write_view *v, const struct profile *p, const char *format,
                          unsigned keeps, struct buf *lost)
{
    const struct profile *shown = v->profile;
    const struct sample_set *first = shown->sets_len ? &shown->sets[0] : NULL;
    bool has_values = shown->sets_len > 1 || (first && first->values_len > 1);
    const struct {
        bool is_lost;
        const char *what;
    } losses[] = {
        {v->made && p->call_graph.rows_len, "the call graph: each function's own time is written "
                                            "below its direct callers"},
        {p->call_graph.rows_len > 0 && !v->made, "the call graph"},
        {p->lines_len > 0,
         v->made && p->call_graph.rows_len == 0 ? "hits and memory of lines" : "numbers by line"},
        {first && first->has_time && !(keeps & KEEPS_TIMES), "when the samples were taken"},
        {has_values && !(keeps & KEEPS_VALUES), "all but the first value of the samples"},
        {shown->tables.threads_len > 1 && !(keeps & KEEPS_THREADS), "threads and processes"},
        {shown->tables.label_sets_len > 1 && !(keeps & KEEPS_LABELS), "labels"},
        {p->series_len > 0 && !(keeps & KEEPS_SERIES), "memory and other series"},
        {p->spans_len > 0 && !(keeps & KEEPS_SPANS), "spans"},
        {p->benchmarks_len > 0, "benchmarks"},
        {p->sources_len > 0, "source texts"},
    };
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
        if (losses[i].is_lost)
            buf_printf(lost, "%s: %s\n", format, losses[i].what);
    }
}

enum status write_view_order(const struct profile *p, const struct sample_set *s, uint32_t *order)
{
    size_t threads = p->tables.threads_len ? p->tables.threads_len : 1;
    size_t *next = calloc(threads + 1, sizeof(*next));
    if (!next)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < s->len; i++)
        next[sample_thread(s, i) + 1]++;
    for (size_t t = 1; t <= threads; t++)
        next[t] += next[t - 1];
    for (size_t i = 0; i < s->len; i++)
        order[next[sample_thread(s, i)]++] = (uint32_t)i;
    free(next);
    return STATUS_OK;
}

size_t write_view_path(const struct profile *p, uint32_t stack, uint32_t *frames)
{
    size_t depth = p->tables.stack_depth[stack];
    for (size_t i = depth; i > 0 && stack; i--) {
        frames[i - 1] = p->tables.stacks[stack].frame;
        stack = p->tables.stacks[stack].parent;
    }
    return depth;
}
