#include "backend/formats/graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"

struct adder {
    const struct profile *p;
    struct call_graph *graph;
    uint32_t *row_of;   /* function -> row + 1 */
    uint32_t *row_seen; /* row -> stack + 1 that counted it last */
    size_t row_seen_cap;
    uint32_t *edge_seen;
    size_t edge_seen_cap;
    struct map edges;
    double scale, frameless;
};

static enum status row_for(struct adder *a, uint32_t function, uint32_t *row)
{
    struct call_graph *g = a->graph;
    if (a->row_of[function] == 0) {
        if (!array_reserve(&g->rows, &g->rows_cap, g->rows_len + 1) ||
            !array_reserve(&a->row_seen, &a->row_seen_cap, g->rows_len + 1))
            return STATUS_NO_MEMORY;
        a->row_seen[g->rows_len] = 0;
        g->rows[g->rows_len] = (struct call_row){.function = function};
        a->row_of[function] = (uint32_t)++g->rows_len;
    }
    *row = a->row_of[function] - 1;
    return STATUS_OK;
}

static enum status edge_for(struct adder *a, uint32_t caller, uint32_t callee, uint32_t *edge)
{
    struct call_graph *g = a->graph;
    uint64_t key = map_pair(caller, callee);
    const uint32_t *known = map_find(&a->edges, key);
    if (!known) {
        if (!array_reserve(&g->edges, &g->edges_cap, g->edges_len + 1) ||
            !array_reserve(&a->edge_seen, &a->edge_seen_cap, g->edges_len + 1) ||
            !map_put(&a->edges, key, (uint32_t)g->edges_len))
            return STATUS_NO_MEMORY;
        a->edge_seen[g->edges_len] = 0;
        g->edges[g->edges_len] = (struct call_edge){.caller = caller, .callee = callee};
        *edge = (uint32_t)g->edges_len++;
        return STATUS_OK;
    }
    *edge = *known;
    return STATUS_OK;
}

/* A stack with `count` samples that weigh `amount` together. */
static enum status add_stack(struct adder *a, uint32_t stack, double amount, uint64_t count)
{
    const struct tables *t = &a->p->tables;
    uint32_t callee = UINT32_MAX;
    for (uint32_t at = stack; at != 0; at = t->stacks[at].parent) {
        uint32_t row;
        enum status st = row_for(a, t->frames[t->stacks[at].frame].function, &row);
        if (st != STATUS_OK)
            return st;
        struct call_row *r = &a->graph->rows[row];
        r->calls += count;
        if (callee == UINT32_MAX)
            r->self += amount;
        if (a->row_seen[row] != stack) {
            a->row_seen[row] = stack;
            r->total += amount;
            r->primitive_calls += count;
        }
        uint32_t edge;
        if (callee != UINT32_MAX) {
            st = edge_for(a, row, callee, &edge);
            if (st != STATUS_OK)
                return st;
            struct call_edge *e = &a->graph->edges[edge];
            e->calls += count;
            if (at == t->stacks[stack].parent)
                e->self += amount;
            if (a->edge_seen[edge] != stack) {
                a->edge_seen[edge] = stack;
                e->total += amount;
                e->primitive_calls += count;
            }
        }
        callee = row;
    }
    return STATUS_OK;
}

static enum status add_set(struct adder *a, const struct sample_set *set, double *amount,
                           uint64_t *count)
{
    for (size_t i = 0; i < set->len; i++) {
        uint32_t stack = set->stack ? set->stack[i] : 0;
        int64_t value = set->values[0].value ? set->values[0].value[i] : set->values[0].constant;
        amount[stack] += (double)value * a->scale;
        count[stack]++;
    }
    a->frameless = amount[0];
    enum status st = STATUS_OK;
    for (size_t i = 1; st == STATUS_OK && i < a->p->tables.stacks_len; i++) {
        if (count[i])
            st = add_stack(a, (uint32_t)i, amount[i], count[i]);
    }
    return st;
}

static void unit_of(const struct profile *p, const struct sample_set *set, double *scale,
                    const char **unit)
{
    const char *is = strtab_text(&p->tables.strings, set->types[0].unit);
    static const struct {
        const char *unit;
        double scale;
    } times[] = {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}};
    static const char *const fractions[][2] = {{"count/1000", "count"}, {"bytes/1000", "bytes"}};
    *scale = 1;
    *unit = is;
    for (size_t i = 0; i < sizeof(fractions) / sizeof(fractions[0]); i++) {
        if (strcmp(is, fractions[i][0]) == 0) {
            *scale = 1e-3;
            *unit = fractions[i][1];
        }
    }
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        if (strcmp(is, times[i].unit) == 0) {
            *scale = times[i].scale;
            *unit = "s";
        }
    }
}

static enum status from_stacks(const struct profile *p, struct graph *out)
{
    const struct sample_set *set = &p->sets[0];
    struct adder a = {.p = p, .graph = &out->graph};
    unit_of(p, set, &a.scale, &out->unit);
    map_init(&a.edges);
    a.row_of = calloc(p->tables.functions_len, sizeof(*a.row_of));
    double *amount = calloc(p->tables.stacks_len, sizeof(*amount));
    uint64_t *count = calloc(p->tables.stacks_len, sizeof(*count));
    enum status st = STATUS_NO_MEMORY;
    if (a.row_of && amount && count)
        st = add_set(&a, set, amount, count);
    out->frameless = a.frameless;
    free(count);
    free(amount);
    free(a.row_of);
    free(a.row_seen);
    free(a.edge_seen);
    map_deinit(&a.edges);
    return st;
}

enum status graph_of(const struct profile *p, struct graph *out, struct error *err)
{
    *out = (struct graph){.unit = strtab_text(&p->tables.strings, p->call_graph.unit)};
    if (p->call_graph.rows_len > 0 || p->sets_len == 0) {
        out->graph = p->call_graph;
        return STATUS_OK;
    }
    out->is_owned = true;
    out->is_from_stacks = true;
    enum status st = from_stacks(p, out);
    if (st != STATUS_OK) {
        graph_deinit(out);
        return error_set(err, st, "no memory to add the stacks up");
    }
    return STATUS_OK;
}

void graph_deinit(struct graph *g)
{
    if (g->is_owned) {
        free(g->graph.rows);
        free(g->graph.edges);
    }
    *g = (struct graph){0};
}
