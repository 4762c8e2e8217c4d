#pragma once
/* The merged tree: stacks folded by function, each node with what was measured right there. The
 * common ground of flame, table and callers, whether the numbers come from samples or are
 * estimated from a call graph. Internal to query. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "backend/query/cache.h"
#include "backend/query/filter.h"
#include "backend/query/groups.h"
#include "common/base/status.h"

/* Nodes by (parent, function). Node 0 is the root; parents come first. */
struct merge_tree {
    uint32_t *parent, *function;
    size_t len, cap_parent, cap_function;
    uint32_t *slots; /* hash of (parent, function) -> node; 0 = free */
    size_t slots_cap;
};

enum status merge_tree_init(struct merge_tree *t);
void merge_tree_deinit(struct merge_tree *t);
/* Room for this many nodes, so that a large tree is not rehashed while it grows. */
bool merge_tree_reserve(struct merge_tree *t, size_t nodes);
enum status merge_tree_child(struct merge_tree *t, uint32_t parent, uint32_t function,
                             uint32_t *node);

/* For each node its nearest ancestor of the same function, 0 = none: a node with 0 counts for its
 * function's total, the others recur within it. A malloc'd array. */
enum status merge_tree_outer(const struct merge_tree *t, size_t functions_len, uint32_t **outer);

/* A tree with sums, as one question sees it. */
struct merged {
    struct query_value value;
    double tick; /* one unit of `self` in the value's unit */
    const struct merge_tree *tree;
    const uint32_t *outer;
    int64_t *self;
    uint32_t *count;
    uint32_t *flags;     /* NULL = none */
    const int64_t *base; /* of two profiles compared: the base's part of self; else NULL */
    uint64_t samples;
    bool is_estimated;
    struct groups groups; /* when the tree is one of groups: who they are */
    /* what this one owns */
    struct merge_tree own_tree;
    uint32_t *own_outer;
    struct query_cache *own_cache;
};

/* Finds the filter's value and sums under it. `min_fraction` is only a hint for the estimate. */
enum status merged_init(struct merged *m, const struct profile *p, struct query_cache *cache,
                        const struct query_filter *filter, double min_fraction, struct error *err);
void merged_deinit(struct merged *m);

/* Adds without wrapping round: absurd numbers stay absurdly large. */
static inline void merge_add(int64_t *sum, int64_t value)
{
    if (__builtin_add_overflow(*sum, value, sum))
        *sum = value > 0 ? INT64_MAX : INT64_MIN;
}

/* self summed over each node's subtree, into `total` (tree->len items). */
void merged_totals(const struct merge_tree *t, int64_t *total);

/* Sums by stack, for questions about lines: arrays of tables.stacks_len items. */
struct stack_sums {
    int64_t *self;
    uint32_t *count;
    uint64_t samples;
};
enum status stack_sums_init(struct stack_sums *s, const struct profile *p, bool is_ordered,
                            const struct query_value *v, const struct query_filter *filter);
void stack_sums_deinit(struct stack_sums *s);
