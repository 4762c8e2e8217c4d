#pragma once
/* A tree from a call graph. cProfile and callgrind know functions and who called whom, not stacks:
 * where a function has several callers, its callees' time must be shared out. This tree
 * - conserves time: no child is wider than its parent, the root is the sum of all self times;
 * - gives every function boxes that sum to its total once (outermost boxes of a recursive one),
 *   as far as the numbers agree with each other;
 * - is bounded: boxes narrower than `min_fraction` are not made, nor more than `max_nodes`, and
 *   recursion goes round a cycle only while that leads to a call not seen on the path.
 * Boxes whose width had to be shared out (more than 2 % of it stands elsewhere) are flagged.
 * docs/profile-model.md tells the method. */

#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "common/base/status.h"

struct call_tree_node {
    uint32_t parent, function; /* parents come first; node 0 is the root */
    uint32_t flags;            /* FLAME_APPORTIONED, FLAME_FOLDED */
    double self, total;        /* in the graph's unit */
};

struct call_tree {
    struct call_tree_node *nodes;
    size_t len, cap;
    double total;
    double min_width; /* what was not drawn is narrower: it may have been raised for max_nodes */
};

/* `max_nodes` 0 = 200,000. */
enum status call_tree_build(struct call_tree *out, const struct profile *p, double min_fraction,
                            size_t max_nodes, struct error *err);
void call_tree_free(struct call_tree *t);
