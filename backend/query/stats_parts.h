#pragma once
/* Parts of the report that need sums of their own. Internal to query. */

#include <stdbool.h>
#include <stddef.h>

#include "backend/model/profile.h"
#include "backend/query/filter.h"
#include "common/base/json_out.h"
#include "common/base/status.h"

/* "counts": what the profile holds, and every counter its producer kept. */
enum status stats_write_counts(struct json_out *j, const struct profile *p);

/* One line of code: of line hits, or where stacks of a value end. */
struct stats_line {
    uint32_t function, line;
    uint64_t hits;
    bool has_hits;
    double time_s, bytes, count; /* NaN = not known */
};
struct stats_lines {
    struct stats_line *rows;
    size_t len;
};
/* The largest first; all of them. */
enum status stats_lines_build(struct stats_lines *out, const struct profile *p,
                              const struct query_filter *filter);
void stats_lines_free(struct stats_lines *l);
enum status stats_write_lines(struct json_out *j, const struct profile *p,
                              const struct query_filter *filter, size_t top);

/* What is known of allocated memory; NaN = not known. */
struct stats_heap {
    double peak_bytes, in_use_bytes, allocated_bytes, allocations, leaked_bytes;
};
bool stats_has_heap(const struct profile *p);
void stats_heap_build(struct stats_heap *h, const struct profile *p);
void stats_write_heap(struct json_out *j, const struct profile *p);
