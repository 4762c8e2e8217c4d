#pragma once
/* Rows of boxes in order of time while they grow. Internal to query. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"

struct time_box {
    uint64_t begin, end;
    uint32_t function, flags;
};

/* A box under the cutoff waits: what follows in the same pixel joins it. */
struct time_row {
    struct time_box *items;
    size_t len, cap;
    struct time_box waiting;
    uint64_t longest; /* part of what waits that names it */
    bool is_waiting;
};

/* Boxes come in order and do not overlap. Each takes one of `*left`: STATUS_TOO_LARGE at 0. */
enum status time_row_add(struct time_row *r, uint64_t cutoff, uint64_t begin, uint64_t end,
                         uint32_t function, size_t *left);
enum status time_row_finish(struct time_row *r, size_t *left);
void time_row_free(struct time_row *r);
