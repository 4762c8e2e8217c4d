#pragma once
/* A call graph made ready for drawing: edges by caller, groups of functions that call each other
 * (strongly connected components), and numbers that agree with each other. Internal to query.
 *
 * What a group needs is its own self time and the time of its calls out of the group. In a
 * consistent profile that is what its callers say it took. Where they say more, their calls are
 * scaled down; where they say less, the rest starts at the root. Then the needs of all groups at
 * the root add up to the sum of all self times exactly. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "common/base/status.h"

struct call_index {
    size_t rows, edges, groups;
    double *self;       /* of each row: finite, not negative */
    double *at_root;    /* of each row: time not explained by callers */
    double *total;      /* of each row, as the profile says */
    size_t *first;      /* rows + 1: edges of a caller, the longest first */
    uint32_t *callee;   /* of each edge in this order */
    double *time;       /* of each edge; a call out of its group is scaled to be consistent */
    uint32_t *group;    /* of each row; callees' groups come first */
    double *need;       /* of each group */
    bool *is_recursive; /* of each group */
    bool *may_recur;    /* of each row: it can be on one stack twice */
    double *own;        /* of each row: self and calls out of its group */
    double sum;         /* of all self */
};

enum status call_index_init(struct call_index *x, const struct call_graph *g);
void call_index_deinit(struct call_index *x);

static inline bool call_index_is_inner(const struct call_index *x, uint32_t caller, size_t edge)
{
    return x->group[caller] == x->group[x->callee[edge]];
}
