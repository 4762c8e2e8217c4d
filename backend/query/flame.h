#pragma once
/* The merged tree by function, laid out in rows as docs/api.md describes it (HGF1). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "backend/query/cache.h"
#include "backend/query/filter.h"
#include "backend/query/groups.h"
#include "common/base/buf.h"
#include "common/base/status.h"

enum {
    FLAME_APPORTIONED = 1, /* estimated from callers */
    FLAME_FOLDED = 2,      /* recursion folded here */
    FLAME_CHANGED = 4,     /* of two profiles compared: more than chance (diff_flame.h) */
    FLAME_MIXED = 8,       /* of a picture in order of time: several boxes, the longest names it */
    FLAME_MAX_NODES = 4 << 20,
};

struct flame_options {
    bool is_inverted;
    double min_fraction; /* boxes narrower than this part of the total are left out */
    uint32_t max_depth;  /* rows below the root; 0 = all */
    size_t max_nodes;    /* the narrowest boxes go first; 0 = FLAME_MAX_NODES */
    uint64_t revision;   /* told in the head */
};

/* Boxes of depth d are items row_start[d] .. row_start[d + 1]; x0 grows within a row. Box 0 is
 * the root, "all". */
struct flame {
    struct query_value value;
    double total;    /* in the value's unit */
    double scale;    /* a width times this is the amount in the unit */
    double left_out; /* what stacks with a negative sum hold: it cannot be drawn */
    uint64_t samples;
    double from_s, to_s;
    uint32_t *x0, *x1, *function, *flags; /* flags may be NULL */
    uint32_t *base; /* of two profiles compared: the base's part of x1 - x0; else NULL */
    size_t nodes;
    size_t *row_start; /* rows_len + 1 */
    size_t rows_len;
    uint64_t pruned;          /* narrower boxes left out (with all that is below them) */
    uint32_t truncated_depth; /* rows below max_depth that were there: 1, else 0 */
    bool is_estimated;
    struct groups groups;          /* what the boxes are called, when they are groups */
    struct timeline_head *in_time; /* timeline.h: rows are moments, not sums; NULL = sums */
};

enum status flame_build(struct flame *out, const struct profile *p, struct query_cache *cache,
                        const struct query_filter *filter, const struct flame_options *options,
                        struct error *err);
void flame_free(struct flame *f);

enum status flame_write_binary(const struct flame *f, const struct profile *p,
                               const struct flame_options *options, struct buf *out);
enum status flame_write_json(const struct flame *f, const struct profile *p,
                             const struct flame_options *options, struct buf *out);
