#pragma once
/* What part of the time a function takes, window by window, against all windows before: its own
 * baseline. One function is counted with all it calls; "any function" by itself, and then the one
 * that rose most is told. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "common/wire/wire.h"

enum { SHARE_LEAST_ROWS = 10 /* of a window and of a baseline: fewer say nothing */ };

struct share {
    uint64_t window_ns;
    uint64_t window; /* its number, from 1; 0 = none begun */
    uint64_t end_ns; /* of that window */
    double now_total, before_total;
    uint64_t now_rows, before_rows;
    double now, before;         /* of the one function */
    uint8_t *has;               /* by stack: whether it holds the function */
    double *now_by, *before_by; /* of any function, by function */
    size_t has_len, has_cap, by_len, now_cap, before_cap;
    uint64_t rows_lost; /* memory was short */
};

struct share_rise {
    uint32_t function; /* of any function: which one */
    double share, baseline;
};

void share_init(struct share *s, double window_s);
void share_deinit(struct share *s);

/* Takes the rows of one block. True when a window was completed by it and has enough rows, as has
 * what came before: `*rise` says how the share went. `function` NULL or "" = any. */
bool share_add(struct share *s, const struct profile *p, const struct wire_samples *rows,
               const char *function, struct share_rise *rise);
