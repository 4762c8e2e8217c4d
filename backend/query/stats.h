#pragma once
/* The numbers of a whole profile: `heliograph report --json` and GET .../stats print the same
 * object (docs/api.md). Keys that do not apply are left out; numbers are never rounded. */

#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "backend/query/cache.h"
#include "backend/query/filter.h"
#include "common/base/buf.h"
#include "common/base/status.h"

struct stats_options {
    size_t top;       /* rows of functions and lines; 0 = all */
    const char *sort; /* as table_options */
};

enum status stats_write_json(const struct profile *p, struct query_cache *cache,
                             const struct query_filter *filter, const struct stats_options *options,
                             struct buf *out, struct error *err);

/* The same for a person at a terminal: head, functions (or pstats' table), lines, memory. */
enum status stats_write_text(const struct profile *p, struct query_cache *cache,
                             const struct query_filter *filter, const struct stats_options *options,
                             struct buf *out, struct error *err);

/* Names of the shapes a profile has: "stacks", "call-graph", "lines", "series", "heap",
 * "benchmarks". Fills at most 6 pointers to constants; returns how many. */
size_t stats_shapes(const struct profile *p, const char *out[6]);
