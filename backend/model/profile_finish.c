#include <stdlib.h>
#include <string.h>

#include "backend/model/profile.h"
#include "backend/model/samples.h"
#include "backend/model/time_order.h"

static enum status sort_series(struct series *s)
{
    uint32_t *order;
    enum status st = time_order(s->time_ns, s->len, &order);
    if (st != STATUS_OK || !order)
        return st;
    uint64_t *scratch = malloc(s->len * sizeof(*scratch));
    if (scratch) {
        time_order_apply(order, s->len, s->time_ns, sizeof(*s->time_ns), scratch);
        time_order_apply(order, s->len, s->value, sizeof(*s->value), scratch);
    }
    st = scratch ? STATUS_OK : STATUS_NO_MEMORY;
    free(order);
    free(scratch);
    return st;
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
