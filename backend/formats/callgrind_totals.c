#include "backend/formats/callgrind_totals.h"

bool callgrind_totals(struct call_graph *g, double whole)
{
    bool is_capped = false;
    for (size_t i = 0; i < g->rows_len; i++)
        g->rows[i].total = g->rows[i].self;
    for (size_t i = 0; i < g->edges_len; i++) {
        if (g->edges[i].caller != g->edges[i].callee)
            g->rows[g->edges[i].caller].total += g->edges[i].total;
    }
    for (size_t i = 0; i < g->rows_len; i++) {
        g->rows[i].primitive_calls = g->rows[i].calls;
        is_capped = is_capped || g->rows[i].total > whole;
        if (g->rows[i].total > whole)
            g->rows[i].total = whole;
    }
    return is_capped;
}

void callgrind_to_seconds(struct call_graph *g)
{
    for (size_t i = 0; i < g->rows_len; i++) {
        g->rows[i].self /= 1e9;
        g->rows[i].total /= 1e9;
    }
    for (size_t i = 0; i < g->edges_len; i++) {
        g->edges[i].self /= 1e9;
        g->edges[i].total /= 1e9;
    }
}
