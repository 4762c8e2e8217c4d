#pragma once
/* Whether memory grows steadily: the least of each twelfth of a window (what comes and goes is not
 * kept), and how much it rises from the first to the last, less the greatest single rise (a model
 * that is loaded is a step and no growth). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GROWTH_PIECES = 12 };

struct growth {
    uint64_t piece_ns;
    uint64_t first, last;        /* numbers of the pieces in `least`; first 0 = none yet */
    double least[GROWTH_PIECES]; /* by number modulo GROWTH_PIECES; NaN = nothing came */
};

void growth_init(struct growth *g, double window_s);

/* Takes a value at a time of the session. True when a piece was completed by it, and a whole
 * window is there: `*per_minute` is the growth over that window. */
bool growth_add(struct growth *g, uint64_t time_ns, double value, double *per_minute);
