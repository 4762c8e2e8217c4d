#pragma once
/* What every thread did over time, in buckets: running, holding the GIL, waiting for it, idle. */

#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "backend/query/filter.h"
#include "common/base/buf.h"
#include "common/base/status.h"

enum { ACTIVITY_MAX_BUCKETS = 10000, ACTIVITY_MAX_CELLS = 4 << 20 };

/* `buckets` 0 = 600; fewer when there are very many threads. Samples without a time are not in it.
 */
enum status activity_write_json(const struct profile *p, const struct query_filter *filter,
                                size_t buckets, uint64_t revision, struct buf *out,
                                struct error *err);
