#include "backend/query/call_index.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double sane(double x)
{
    return isfinite(x) && x > 0 ? x : 0;
}

static bool alloc_all(struct call_index *x)
{
    size_t r = x->rows ? x->rows : 1;
    size_t e = x->edges ? x->edges : 1;
    x->self = calloc(r, sizeof(*x->self));
    x->at_root = calloc(r, sizeof(*x->at_root));
    x->total = calloc(r, sizeof(*x->total));
    x->first = calloc(r + 1, sizeof(*x->first));
    x->callee = calloc(e, sizeof(*x->callee));
    x->time = calloc(e, sizeof(*x->time));
    x->group = calloc(r, sizeof(*x->group));
    x->need = calloc(r, sizeof(*x->need));
    x->is_recursive = calloc(r, sizeof(*x->is_recursive));
    x->own = calloc(r, sizeof(*x->own));
    x->may_recur = calloc(r, sizeof(*x->may_recur));
    return x->self && x->at_root && x->total && x->first && x->callee && x->time && x->group &&
           x->need && x->is_recursive && x->own && x->may_recur;
}

void call_index_deinit(struct call_index *x)
{
    free(x->self);
    free(x->at_root);
    free(x->total);
    free(x->first);
    free(x->callee);
    free(x->time);
    free(x->group);
    free(x->need);
    free(x->is_recursive);
    free(x->own);
    free(x->may_recur);
    *x = (struct call_index){0};
}

/* ---- edges by caller ---- */

static int by_caller_and_time(const void *a, const void *b)
{
    const struct call_edge *x = a;
    const struct call_edge *y = b;
    if (x->caller != y->caller)
        return x->caller < y->caller ? -1 : 1;
    if (x->total != y->total)
        return x->total > y->total ? -1 : 1;
    return x->callee < y->callee ? -1 : x->callee > y->callee;
}

static bool sort_edges(struct call_index *x, const struct call_graph *g)
{
    struct call_edge *sorted = malloc((x->edges ? x->edges : 1) * sizeof(*sorted));
    if (!sorted)
        return false;
    size_t kept = 0;
    for (size_t i = 0; i < x->edges; i++) {
        struct call_edge e = g->edges[i];
        e.total = sane(e.total);
        if (e.caller < x->rows && e.callee < x->rows)
            sorted[kept++] = e;
    }
    x->edges = kept;
    if (kept)
        qsort(sorted, kept, sizeof(*sorted), by_caller_and_time);
    for (size_t i = 0; i < kept; i++) {
        x->first[sorted[i].caller + 1]++;
        x->callee[i] = sorted[i].callee;
        x->time[i] = sorted[i].total;
    }
    for (size_t r = 0; r < x->rows; r++)
        x->first[r + 1] += x->first[r];
    free(sorted);
    return true;
}

/* ---- groups: Tarjan 1972, with a stack of our own since graphs may be deep ---- */

struct tarjan {
    uint32_t *number, *low, *stack, *path;
    size_t *edge;
    size_t stack_len, path_len;
    uint32_t next;
};

static void close_group(struct call_index *x, struct tarjan *t, uint32_t v)
{
    uint32_t w;
    size_t members = 0;
    do {
        w = t->stack[--t->stack_len];
        x->group[w] = (uint32_t)x->groups;
        t->low[w] = UINT32_MAX; /* no longer on the stack */
        members++;
    } while (w != v);
    x->is_recursive[x->groups++] = members > 1;
}

static void visit_from(struct call_index *x, struct tarjan *t, uint32_t root)
{
    t->path[t->path_len++] = root;
    t->number[root] = t->low[root] = ++t->next;
    t->stack[t->stack_len++] = root;
    t->edge[root] = x->first[root];
    while (t->path_len) {
        uint32_t v = t->path[t->path_len - 1];
        if (t->edge[v] < x->first[v + 1]) {
            uint32_t w = x->callee[t->edge[v]++];
            if (!t->number[w]) {
                t->number[w] = t->low[w] = ++t->next;
                t->stack[t->stack_len++] = w;
                t->edge[w] = x->first[w];
                t->path[t->path_len++] = w;
            } else if (t->low[w] != UINT32_MAX && t->number[w] < t->low[v]) {
                t->low[v] = t->number[w];
            }
            continue;
        }
        t->path_len--;
        uint32_t low = t->low[v];
        if (low == t->number[v])
            close_group(x, t, v);
        if (t->path_len) {
            uint32_t up = t->path[t->path_len - 1];
            if (low < t->low[up])
                t->low[up] = low;
        }
    }
}

static bool find_groups(struct call_index *x)
{
    size_t r = x->rows ? x->rows : 1;
    struct tarjan t = {
        .number = calloc(r, sizeof(uint32_t)),
        .low = calloc(r, sizeof(uint32_t)),
        .stack = calloc(r, sizeof(uint32_t)),
        .path = calloc(r, sizeof(uint32_t)),
        .edge = calloc(r, sizeof(size_t)),
    };
    bool is_ok = t.number && t.low && t.stack && t.path && t.edge;
    for (uint32_t v = 0; is_ok && v < x->rows; v++) {
        if (!t.number[v])
            visit_from(x, &t, v);
    }
    for (uint32_t v = 0; is_ok && v < x->rows; v++) {
        for (size_t e = x->first[v]; e < x->first[v + 1]; e++) {
            if (x->callee[e] == v)
                x->is_recursive[x->group[v]] = true;
        }
    }
    free(t.number);
    free(t.low);
    free(t.stack);
    free(t.path);
    free(t.edge);
    return is_ok;
}

/* A function all of whose calls are primitive is never on one stack twice. Formats that do not
 * tell primitive calls apart say so of all members of a group: then each may. */
static bool find_recursive_rows(struct call_index *x, const struct call_graph *g)
{
    bool *tells = calloc(x->groups + 1, sizeof(*tells));
    if (!tells)
        return false;
    for (size_t v = 0; v < x->rows; v++)
        tells[x->group[v]] |= g->rows[v].calls > g->rows[v].primitive_calls;
    for (size_t v = 0; v < x->rows; v++)
        x->may_recur[v] = !tells[x->group[v]] || g->rows[v].calls > g->rows[v].primitive_calls;
    free(tells);
    return true;
}

/* ---- numbers that agree ---- */

struct group_lists {
    size_t *first;     /* groups + 1 */
    uint32_t *members; /* rows, by group */
    double *given;     /* of each group: what calls from outside bring */
    double *fit;       /* of each group: what those calls are multiplied by */
};

static bool list_groups(const struct call_index *x, struct group_lists *l)
{
    l->first = calloc(x->groups + 2, sizeof(*l->first));
    l->members = calloc(x->rows ? x->rows : 1, sizeof(*l->members));
    l->given = calloc(x->groups + 1, sizeof(*l->given));
    l->fit = calloc(x->groups + 1, sizeof(*l->fit));
    if (!l->first || !l->members || !l->given || !l->fit)
        return false;
    for (size_t v = 0; v < x->rows; v++)
        l->first[x->group[v] + 2]++;
    for (size_t g = 0; g < x->groups; g++)
        l->first[g + 2] += l->first[g + 1];
    for (uint32_t v = 0; v < x->rows; v++)
        l->members[l->first[x->group[v] + 1]++] = v;
    for (uint32_t v = 0; v < x->rows; v++) {
        for (size_t e = x->first[v]; e < x->first[v + 1]; e++) {
            if (!call_index_is_inner(x, v, e))
                l->given[x->group[x->callee[e]]] += x->time[e];
        }
    }
    return true;
}

/* Which members of a group are called by nobody we know of, for the part that starts at the root:
 * those with more calls than callers made, else the one with the largest total. */
static void start_at_root(struct call_index *x, const struct call_graph *graph,
                          const uint64_t *called, const uint32_t *members, size_t len, double rest)
{
    double weight = 0;
    uint32_t largest = members[0];
    for (size_t i = 0; i < len; i++) {
        uint32_t v = members[i];
        if (graph->rows[v].calls > called[v])
            weight += x->total[v];
        if (x->total[v] > x->total[largest])
            largest = v;
    }
    if (weight <= 0) {
        x->at_root[largest] = rest;
        return;
    }
    for (size_t i = 0; i < len; i++) {
        uint32_t v = members[i];
        if (graph->rows[v].calls > called[v])
            x->at_root[v] = rest * x->total[v] / weight;
    }
}

/* Callees' groups have smaller numbers, so their `fit` is known when a caller needs it. */
static void balance(struct call_index *x, const struct call_graph *graph, struct group_lists *l,
                    const uint64_t *called)
{
    for (size_t g = 0; g < x->groups; g++) {
        const uint32_t *members = l->members + l->first[g];
        size_t len = l->first[g + 1] - l->first[g];
        for (size_t i = 0; i < len; i++) {
            uint32_t v = members[i];
            x->own[v] = x->self[v];
            for (size_t e = x->first[v]; e < x->first[v + 1]; e++) {
                if (call_index_is_inner(x, v, e))
                    continue;
                x->time[e] *= l->fit[x->group[x->callee[e]]];
                x->own[v] += x->time[e];
            }
            x->need[g] += x->own[v];
        }
        double given = l->given[g];
        l->fit[g] = given > x->need[g] ? x->need[g] / given : 1;
        double rest = x->need[g] - given;
        /* Sums of doubles differ in their last digits. */
        if (rest > x->need[g] * 1e-9)
            start_at_root(x, graph, called, members, len, rest);
    }
}

static bool make_consistent(struct call_index *x, const struct call_graph *g)
{
    struct group_lists l = {0};
    uint64_t *called = calloc(x->rows ? x->rows : 1, sizeof(*called));
    bool is_ok = called && list_groups(x, &l);
    if (is_ok) {
        for (size_t i = 0; i < g->edges_len; i++) {
            if (g->edges[i].callee < x->rows)
                called[g->edges[i].callee] += g->edges[i].calls;
        }
        balance(x, g, &l, called);
    }
    free(called);
    free(l.first);
    free(l.members);
    free(l.given);
    free(l.fit);
    return is_ok;
}

enum status call_index_init(struct call_index *x, const struct call_graph *g)
{
    *x = (struct call_index){.rows = g->rows_len, .edges = g->edges_len};
    bool is_ok = alloc_all(x);
    for (size_t i = 0; is_ok && i < x->rows; i++) {
        x->self[i] = sane(g->rows[i].self);
        x->total[i] = sane(g->rows[i].total);
        x->sum += x->self[i];
    }
    is_ok = is_ok && sort_edges(x, g) && find_groups(x) && find_recursive_rows(x, g) &&
            make_consistent(x, g);
    if (!is_ok) {
        call_index_deinit(x);
        return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}
