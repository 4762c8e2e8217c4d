#pragma once
/* Who calls a function and whom it calls. An edge's total counts a stack once. */

#include <stdint.h>

#include "backend/model/profile.h"
#include "backend/query/cache.h"
#include "backend/query/filter.h"
#include "common/base/buf.h"
#include "common/base/status.h"

struct callers_edge {
    uint32_t function;  /* the other one; 0 = it stands at the root */
    double self, total; /* of a caller: the function's, when called from there. Of a callee: its */
    uint64_t calls, primitive_calls;
};

struct callers {
    struct query_value value;
    uint32_t function;
    double self, total;
    struct callers_edge *callers, *callees; /* largest total first */
    size_t callers_len, callees_len;
};

/* STATUS_NOT_FOUND when there is no such function. */
enum status callers_build(struct callers *out, const struct profile *p, struct query_cache *cache,
                          const struct query_filter *filter, uint32_t function, struct error *err);
void callers_free(struct callers *c);

enum status callers_write_json(const struct callers *c, const struct profile *p, uint64_t revision,
                               struct buf *out);
