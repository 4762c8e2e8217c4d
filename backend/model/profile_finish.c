#include <stdlib.h>
#include <string.h>

#include "backend/model/profile.h"
#include "backend/model/samples.h"

struct moment {
    uint64_t time_ns;
    double value;
    size_t row;
};

static int by_time_then_row(const void *a, const void *b)
{
    const struct moment *x = a;
    const struct moment *y = b;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static bool is_ordered(const struct series *s)
{
    for (size_t i = 1; i < s->len; i++) {
        if (s->time_ns[i] < s->time_ns[i - 1])
            return false;
    }
    return true;
}

static enum status sort_series(struct series *s)
{
    if (is_ordered(s))
        return STATUS_OK;
    struct moment *moments = malloc(s->len * sizeof(*moments));
    if (!moments)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < s->len; i++)
        moments[i] = (struct moment){.time_ns = s->time_ns[i], .value = s->value[i], .row = i};
    qsort(moments, s->len, sizeof(*moments), by_time_then_row);
    for (size_t i = 0; i < s->len; i++) {
        s->time_ns[i] = moments[i].time_ns;
        s->value[i] = moments[i].value;
    }
    free(moments);
    return STATUS_OK;
}

/* Gives back what was reserved ahead. A block that cannot shrink stays as it is. */
static void shrink(void *items, size_t *cap, size_t len, size_t item_size)
{
    if (len == 0 || len == *cap)
        return;
    void *data;
    memcpy(&data, items, sizeof(data)); /* a T * may not be read as a void * (C17 6.5p7) */
    void *moved = realloc(data, len * item_size);
    if (!moved)
        return;
    memcpy(items, &moved, sizeof(moved));
    *cap = len;
}

static void shrink_series(struct series *s)
{
    size_t time_cap = s->cap;
    size_t value_cap = s->cap;
    shrink(&s->time_ns, &time_cap, s->len, sizeof(*s->time_ns));
    shrink(&s->value, &value_cap, s->len, sizeof(*s->value));
    s->cap = time_cap < value_cap ? time_cap : value_cap;
}

static void shrink_tables(struct tables *t)
{
    tables_drop_indexes(t);
    shrink(&t->functions, &t->functions_cap, t->functions_len, sizeof(*t->functions));
    shrink(&t->frames, &t->frames_cap, t->frames_len, sizeof(*t->frames));
    shrink(&t->stacks, &t->stacks_cap, t->stacks_len, sizeof(*t->stacks));
    shrink(&t->stack_depth, &t->depth_cap, t->stacks_len, sizeof(*t->stack_depth));
    shrink(&t->labels, &t->labels_cap, t->labels_len, sizeof(*t->labels));
    shrink(&t->label_sets, &t->label_sets_cap, t->label_sets_len, sizeof(*t->label_sets));
}

enum status profile_finish(struct profile *p)
{
    enum status st = STATUS_OK;
    for (size_t i = 0; st == STATUS_OK && i < p->sets_len; i++)
        st = samples_finish(&p->sets[i]);
    for (size_t i = 0; st == STATUS_OK && i < p->series_len; i++) {
        st = sort_series(&p->series[i]);
        shrink_series(&p->series[i]);
    }
    if (st != STATUS_OK)
        return st;
    shrink_tables(&p->tables);
    struct call_graph *graph = &p->call_graph;
    shrink(&graph->rows, &graph->rows_cap, graph->rows_len, sizeof(*graph->rows));
    shrink(&graph->edges, &graph->edges_cap, graph->edges_len, sizeof(*graph->edges));
    shrink(&p->spans, &p->spans_cap, p->spans_len, sizeof(*p->spans));
    shrink(&p->lines, &p->lines_cap, p->lines_len, sizeof(*p->lines));
    return STATUS_OK;
}
