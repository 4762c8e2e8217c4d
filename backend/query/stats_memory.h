#pragma once
/* The report's part about memory: what the program had in use and when most, who allocated it, what
 * may leak, and what the kernel says. Internal to query. */

#include "backend/model/profile.h"
#include "backend/query/filter.h"
#include "common/base/buf.h"
#include "common/base/json_out.h"
#include "common/base/status.h"

/* "heap", and for allocations over time "memory" and "leaks". Lists of at most `top`; 0 = all. */
enum status stats_write_memory(struct json_out *j, const struct profile *p,
                               const struct query_filter *filter, size_t top, struct error *err);

/* The same for a person; nothing when the profile says nothing of memory. */
enum status stats_print_memory(const struct profile *p, const struct query_filter *filter,
                               size_t top, struct buf *out, struct error *err);
