#pragma once
/* Which places may leak: what they keep grows from window to window of the run, and still does
 * at its end. A cache that has filled up does not. A suspicion, with what speaks for it: growth
 * can be wanted. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "backend/query/filter.h"
#include "backend/query/memory.h"
#include "common/base/buf.h"
#include "common/base/json_out.h"
#include "common/base/status.h"

enum { LEAKS_WINDOWS = 24, LEAKS_LEAST_WINDOWS = 8 };

struct leak {
    uint32_t function, line, stack;
    double bytes_per_min;  /* median slope between all pairs of windows (Theil and Sen) */
    double grown_bytes;    /* from the first window to the last */
    double error_bytes;    /* standard error of that; 0 = exact */
    double confidence;     /* 0..1: chance that so steady a growth is none (Mann and Kendall),
                              in sampled mode that of the estimate too, taken from 1 */
    uint32_t rises, steps; /* grew in so many of so many windows */
    double in_use[LEAKS_WINDOWS]; /* the least in each window: what comes and goes is not kept */
};

struct leaks {
    bool is_too_short;       /* less than LEAKS_LEAST_WINDOWS ticks were watched */
    uint64_t from_ns, to_ns; /* what was looked at: without the program's end */
    size_t windows;
    struct leak *items; /* the fastest first */
    size_t len;
};

/* The filter's window, threads, processes, domains, focus and hide count. STATUS_UNSUPPORTED as
 * memory_build. */
enum status leaks_find(struct leaks *out, const struct profile *p,
                       const struct query_filter *filter, enum memory_by by, struct error *err);
void leaks_free(struct leaks *l);

/* {"from_s","to_s","windows","too_short","found","items":[...]}: at most `limit` items; 0 = all. */
void leaks_write(struct json_out *j, const struct leaks *l, const struct profile *p, size_t limit);
