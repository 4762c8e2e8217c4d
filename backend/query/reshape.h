#pragma once
/* A tree as a filter wants it seen: focused, with functions hidden, grouped, recursion folded.
 * Every node goes somewhere or is left out, so what is shown always adds up. Internal to query. */

#include <stdbool.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "backend/query/filter.h"
#include "backend/query/groups.h"
#include "backend/query/merge.h"

enum { RESHAPE_OUTSIDE = UINT32_MAX };

struct reshape {
    struct merge_tree tree;
    struct groups groups; /* zeroed when nothing is grouped */
    uint32_t *to;         /* by node of the old tree: its node here, or RESHAPE_OUTSIDE */
    uint32_t *flags;      /* by node here: FLAME_FOLDED; NULL = none */
};

/* By function: 1 where the filter hides it. A malloc'd array. */
enum status reshape_hidden(uint8_t **out, const struct profile *p, const struct query_filter *f);

bool reshape_is_needed(const struct query_filter *f);
enum status reshape_init(struct reshape *r, const struct merge_tree *t, const struct profile *p,
                         const struct query_filter *f);
void reshape_deinit(struct reshape *r);

/* The same for a tree with sums. */
enum status reshape_merged(struct merged *m, const struct profile *p, const struct query_filter *f);
