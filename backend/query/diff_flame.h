#pragma once
/* Two profiles compared, as one flame graph: their merged trees laid over each other, functions
 * matched as diff.h matches them. A box is as wide as both together, so that what was added and
 * what was removed is there too, and says how much of it is the base's. The target is scaled as
 * the comparison says; numbers by call make no tree, so those are drawn as they are. */

#include "backend/query/diff.h"
#include "backend/query/flame.h"

/* `out->function` are rows of the diff; out->base is there, and out->flags has FLAME_CHANGED where
 * the box's samples differ by more than chance, all boxes that are drawn being tested together.
 * STATUS_UNSUPPORTED when only benchmarks compare. */
enum status diff_flame_build(struct flame *out, const struct diff *d,
                             struct query_cache *base_cache, struct query_cache *target_cache,
                             const struct flame_options *options, struct error *err);

/* Ids and revisions stand in the head. */
struct diff_flame_names {
    const char *base, *target;
    uint64_t base_revision, target_revision;
};

/* HGD1, or the same as JSON (docs/api.md). */
enum status diff_flame_write(const struct flame *f, const struct diff *d,
                             const struct diff_flame_names *names, bool is_json, struct buf *out);
