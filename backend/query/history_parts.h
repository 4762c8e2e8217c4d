#pragma once
/* The inside of a history. Texts are numbers of `texts`. */

#include <stdbool.h>

#include "backend/query/history.h"
#include "common/base/map.h"
#include "common/base/strtab.h"

enum history_mark { HISTORY_UNMARKED, HISTORY_SLOWER, HISTORY_FASTER };

struct history {
    struct strtab texts;
    struct history_run {
        uint32_t id, name, machine, commit, branch;
        uint32_t order; /* in which it was added: it stays so where times are not known */
        bool is_dirty;
        uint64_t unix_ms; /* 0 = not known */
    } * runs;
    struct history_line {
        uint32_t machine, name;
        struct history_point {
            uint32_t run;
            enum history_mark mark;
            double mean, median, stddev, min;
            double change, q; /* against the point before; NaN = none, not tested */
            uint64_t rounds;
        } * points;
        size_t len, cap;
    } * lines;
    struct map by_key; /* (machine, name) -> line */
    size_t runs_len, runs_cap, lines_len, lines_cap, points;
    bool failed; /* memory was short */
};
