#pragma once
/* The stacks of each thread in order of time: one lane of rows a thread, boxes where one function
 * stayed on the stack, gaps where nothing is known. The same columns as a flame graph's (HGF1), x
 * in time. Boxes narrower than a pixel share one, so that an answer is as large as the picture,
 * not as the profile (docs/api.md). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "backend/query/cache.h"
#include "backend/query/filter.h"
#include "backend/query/flame.h"
#include "common/base/status.h"

enum { TIMELINE_MAX_PIXELS = 1 << 16, TIMELINE_MAX_LANES = 64 };

struct timeline_options {
    size_t pixels;      /* of the window's width; 0 = 2000 */
    uint32_t max_depth; /* rows below a lane's own; 0 = all */
};

struct timeline_lane {
    uint32_t thread;
    size_t rows; /* in the flame: lanes follow each other; the first says when it was seen */
    uint64_t samples, covered_ns;
};

struct timeline_head {
    uint64_t cutoff_ns;  /* shorter boxes share one; 0 = none did */
    uint64_t assumed_ns; /* samples do not say how long they lasted: at most this; 0 = they do */
    uint64_t lanes_left_out;
    size_t lanes_len;
    struct timeline_lane lanes[TIMELINE_MAX_LANES]; /* in order of thread */
};

/* STATUS_UNSUPPORTED when the profile has no samples with times. */
enum status timeline_build(struct flame *out, const struct profile *p, struct query_cache *cache,
                           const struct query_filter *filter,
                           const struct timeline_options *options, struct error *err);
