#pragma once
/* Self and total of every function. Of samples, a function's total counts a stack once however
 * often it recurs in it; of a call graph, the numbers are those of pstats. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "backend/query/cache.h"
#include "backend/query/filter.h"
#include "common/base/buf.h"
#include "common/base/status.h"

struct table_row {
    uint32_t function;
    double self, total; /* in the value's unit; a call graph's tottime, cumtime */
    uint64_t samples_self, samples_total;
    uint64_t calls, primitive_calls; /* of a call graph */
};

struct table {
    struct query_value value;
    double total; /* of all rows' self: the whole */
    uint64_t samples, calls, primitive_calls;
    struct table_row *rows;
    size_t len;
};

struct table_options {
    /* "self" (default), "total", "name", "file", "samples", "ncalls", "pcalls", "tottime",
     * "cumtime"; "-" before it turns the order round. Numbers go from large to small. */
    const char *sort;
    size_t limit;     /* 0 = all */
    const char *text; /* only rows whose name or file has it (ASCII case aside); NULL = all */
};

/* STATUS_UNSUPPORTED when the profile has no functions' numbers at all (series only). */
enum status table_build(struct table *out, const struct profile *p, struct query_cache *cache,
                        const struct query_filter *filter, const struct table_options *options,
                        struct error *err);
void table_free(struct table *t);

enum status table_write_json(const struct table *t, const struct profile *p, uint64_t revision,
                             struct buf *out);

/* As a person reads it in a terminal: pstats' own columns for a call graph. */
enum status table_write_text(const struct table *t, const struct profile *p, struct buf *out);
