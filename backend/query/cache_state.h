#pragma once
/* The inside of a query cache. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/query/merge.h"

/* Sums of all samples of one value, by stack, up to `rows` of the set. */
struct cache_sums {
    uint32_t set, column;
    size_t rows, stacks;
    int64_t *self;
    uint32_t *count;
    size_t cap_self, cap_count;
    uint64_t used; /* when, for choosing which to forget */
};

struct cache_order {
    size_t checked; /* rows known to be in order of time */
    bool is_broken;
};

enum { CACHE_SUMS = 4 };

struct query_cache {
    struct merge_tree tree;
    uint32_t *node_of_stack;
    size_t stacks, cap_stacks;
    uint32_t *outer;
    size_t outer_len;
    struct cache_order *order;
    size_t order_len, cap_order;
    struct cache_sums sums[CACHE_SUMS];
    uint64_t clock;
};

/* The tree knows every stack of the profile, `outer` every node. */
enum status query_cache_update(struct query_cache *c, const struct profile *p);

/* Whether the set's times grow from row to row. */
enum status query_cache_order(struct query_cache *c, const struct profile *p, uint32_t set,
                              bool *is_ordered);

/* Sums of all rows by stack; borrowed until the next call. */
enum status query_cache_sums(struct query_cache *c, const struct profile *p,
                             const struct query_value *v, const struct cache_sums **out);
