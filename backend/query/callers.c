#include "backend/query/callers.h"

#include <stdlib.h>
#include <string.h>

#include "backend/query/merge.h"
#include "backend/query/names.h"

struct tally {
    int64_t self, total;
    bool is_met;
};

static int by_total(const void *a, const void *b)
{
    const struct callers_edge *x = a;
    const struct callers_edge *y = b;
    if (x->total != y->total)
        return x->total > y->total ? -1 : 1;
    if (x->self != y->self)
        return x->self > y->self ? -1 : 1;
    return x->function < y->function ? -1 : x->function > y->function;
}

/* ---- from samples ---- */

static enum status list_tallies(const struct tally *tallies, size_t functions, double tick,
                                struct callers_edge **edges, size_t *len)
{
    size_t n = 0;
    for (size_t f = 0; f < functions; f++)
        n += tallies[f].is_met;
    struct callers_edge *list = calloc(n ? n : 1, sizeof(*list));
    if (!list)
        return STATUS_NO_MEMORY;
    n = 0;
    for (size_t f = 0; f < functions; f++) {
        if (tallies[f].is_met)
            list[n++] = (struct callers_edge){.function = (uint32_t)f,
                                              .self = (double)tallies[f].self * tick,
                                              .total = (double)tallies[f].total * tick};
    }
    if (n > 1)
        qsort(list, n, sizeof(*list), by_total);
    *edges = list;
    *len = n;
    return STATUS_OK;
}

/* Whether the call that `node` is (from its parent's function) stands further out on the same
 * path too: then it is counted there. */
static bool is_nested_call(const struct merged *m, uint32_t node)
{
    const struct merge_tree *t = m->tree;
    uint32_t caller = t->function[t->parent[node]];
    bool has_caller = t->parent[node] != 0;
    for (uint32_t up = m->outer[node]; up; up = m->outer[up]) {
        if (has_caller == (t->parent[up] != 0) &&
            (!has_caller || t->function[t->parent[up]] == caller))
            return true;
    }
    return false;
}

static void tally_node(const struct merged *m, uint32_t node, int64_t total, struct tally *tally)
{
    if (total == 0 && m->count[node] == 0)
        return;
    tally->is_met = true;
    merge_add(&tally->self, m->self[node]);
    if (!is_nested_call(m, node))
        merge_add(&tally->total, total);
}

static enum status from_samples(struct callers *c, const struct merged *m, size_t functions)
{
    const struct merge_tree *t = m->tree;
    int64_t *total = malloc(t->len * sizeof(*total));
    struct tally *callers = calloc(functions, sizeof(*callers));
    struct tally *callees = calloc(functions, sizeof(*callees));
    enum status st = total && callers && callees ? STATUS_OK : STATUS_NO_MEMORY;
    if (st == STATUS_OK) {
        memcpy(total, m->self, t->len * sizeof(*total));
        merged_totals(t, total);
        int64_t self_sum = 0;
        int64_t total_sum = 0;
        for (uint32_t i = 1; i < t->len; i++) {
            if (t->function[i] == c->function) {
                /* At the root there is no caller: function 0. */
                tally_node(m, i, total[i], &callers[t->function[t->parent[i]]]);
                merge_add(&self_sum, m->self[i]);
                if (!m->outer[i])
                    merge_add(&total_sum, total[i]);
            }
            if (t->parent[i] && t->function[t->parent[i]] == c->function)
                tally_node(m, i, total[i], &callees[t->function[i]]);
        }
        c->self = (double)self_sum * m->tick;
        c->total = (double)total_sum * m->tick;
        st = list_tallies(callers, functions, m->tick, &c->callers, &c->callers_len);
    }
    if (st == STATUS_OK)
        st = list_tallies(callees, functions, m->tick, &c->callees, &c->callees_len);
    free(total);
    free(callers);
    free(callees);
    return st;
}

/* ---- from a call graph: as it says ---- */

static struct callers_edge edge_of(const struct call_edge *e, uint32_t function)
{
    return (struct callers_edge){.function = function,
                                 .self = e->self,
                                 .total = e->total,
                                 .calls = e->calls,
                                 .primitive_calls = e->primitive_calls};
}

static enum status from_graph(struct callers *c, const struct call_graph *g)
{
    c->callers = calloc(g->edges_len ? g->edges_len : 1, sizeof(*c->callers));
    c->callees = calloc(g->edges_len ? g->edges_len : 1, sizeof(*c->callees));
    if (!c->callers || !c->callees)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < g->rows_len; i++) {
        if (g->rows[i].function == c->function) {
            c->self += g->rows[i].self;
            c->total += g->rows[i].total;
        }
    }
    for (size_t i = 0; i < g->edges_len; i++) {
        const struct call_edge *e = &g->edges[i];
        uint32_t caller = g->rows[e->caller].function;
        uint32_t callee = g->rows[e->callee].function;
        if (callee == c->function)
            c->callers[c->callers_len++] = edge_of(e, caller);
        if (caller == c->function)
            c->callees[c->callees_len++] = edge_of(e, callee);
    }
    qsort(c->callers, c->callers_len, sizeof(*c->callers), by_total);
    qsort(c->callees, c->callees_len, sizeof(*c->callees), by_total);
    return STATUS_OK;
}

enum status callers_build(struct callers *out, const struct profile *p, struct query_cache *cache,
                          const struct query_filter *filter, uint32_t function, struct error *err)
{
    if (function >= p->tables.functions_len)
        return error_set(err, STATUS_NOT_FOUND, "no function %u in this profile", function);
    struct callers c = {.function = function};
    enum status st = query_value_find(p, filter->value, &c.value, err);
    if (st != STATUS_OK)
        return st;
    if (c.value.source == QUERY_CALL_GRAPH) {
        st = from_graph(&c, &p->call_graph);
    } else {
        struct merged m;
        st = merged_init(&m, p, cache, filter, 0, err);
        if (st != STATUS_OK)
            return st;
        st = from_samples(&c, &m, p->tables.functions_len);
        merged_deinit(&m);
    }
    if (st != STATUS_OK) {
        callers_free(&c);
        return error_set(err, st, "no memory for the callers");
    }
    *out = c;
    return STATUS_OK;
}

void callers_free(struct callers *c)
{
    free(c->callers);
    free(c->callees);
    *c = (struct callers){0};
}

static void write_edges(struct json_out *j, const struct profile *p, const char *key,
                        const struct callers_edge *edges, size_t len, bool has_calls, bool is_root)
{
    json_out_key(j, key);
    json_out_array(j);
    for (size_t i = 0; i < len; i++) {
        const struct callers_edge *e = &edges[i];
        json_out_object(j);
        json_put_u64(j, "id", is_root && e->function == 0 ? (uint32_t)NAMES_ROOT : e->function);
        names_members(j, p, is_root && e->function == 0 ? (uint32_t)NAMES_ROOT : e->function);
        json_put_f64(j, "self", e->self);
        json_put_f64(j, "total", e->total);
        if (has_calls) {
            json_put_u64(j, "ncalls", e->calls);
            json_put_u64(j, "primitive_calls", e->primitive_calls);
        }
        json_out_end(j);
    }
    json_out_end(j);
}

enum status callers_write_json(const struct callers *c, const struct profile *p, uint64_t revision,
                               struct buf *out)
{
    bool is_graph = c->value.source == QUERY_CALL_GRAPH;
    struct json_out j;
    json_out_init(&j, out);
    json_out_object(&j);
    json_put_u64(&j, "rev", revision);
    json_out_key(&j, "unit");
    json_out_text(&j, c->value.unit);
    json_out_key(&j, "function");
    json_out_object(&j);
    json_put_u64(&j, "id", c->function);
    names_members(&j, p, c->function);
    json_put_f64(&j, "self", c->self);
    json_put_f64(&j, "total", c->total);
    json_out_end(&j);
    write_edges(&j, p, "callers", c->callers, c->callers_len, is_graph, !is_graph);
    write_edges(&j, p, "callees", c->callees, c->callees_len, is_graph, false);
    json_out_end(&j);
    return buf_status(out);
}
