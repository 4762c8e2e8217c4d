#pragma once
/* Who has the memory, who took it, who gave it back: every measure of a heap at once, by place. A
 * place is a line of code, a function or a whole stack; the memory of a place is what was allocated
 * right there. Two moments compare as tracemalloc's compare_to does. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "backend/query/filter.h"
#include "common/base/buf.h"
#include "common/base/status.h"

enum memory_measure {
    MEMORY_IN_USE,    /* alive at the window's end */
    MEMORY_ALLOCATED, /* in the window */
    MEMORY_FREED,     /* in the window, by where it had been allocated */
    MEMORY_LEAKED,    /* allocated in the window, alive at its end */
    MEMORY_PEAK,      /* alive when most was in the window */
    MEMORY_TEMPORARY, /* freed before more than one other allocation came in between; exact mode
                         only */
    MEMORY_SHORT,     /* freed in the window within memory_options.short_ns of its allocation */
    MEMORY_BASE,      /* alive at the moment to compare with */
    MEMORY_GROWN,     /* MEMORY_IN_USE less MEMORY_BASE */
    MEMORY_MEASURES
};
/* "in_use", "allocated", ...; NULL past the end. */
const char *memory_measure_name(enum memory_measure m);

enum memory_by { MEMORY_BY_LINE, MEMORY_BY_FUNCTION, MEMORY_BY_STACK };

struct memory_amount {
    int64_t bytes, count;
};

struct memory_row {
    uint32_t function, line; /* line 0: by function */
    uint32_t stack;          /* the one that weighs most of it */
    struct memory_amount of[MEMORY_MEASURES];
};

struct memory_options {
    enum memory_by by;
    enum memory_measure sort; /* by bytes, largest first; MEMORY_GROWN by size of the change */
    size_t limit;             /* 0 = all */
    bool has_base;
    uint64_t base_ns;  /* a moment: what happened up to then, then included */
    uint64_t short_ns; /* for MEMORY_SHORT, known to a tick of 100 ms; 0 = one tick */
};

struct memory {
    struct memory_options options;
    uint64_t every_bytes; /* 0 = exact */
    bool has_counts, has_temporary;
    uint64_t peak_ns;
    double
        peak_bytes; /* of the series; several processes' highest moments of one tick sum to more */
    struct memory_amount total[MEMORY_MEASURES];
    struct memory_row *rows;
    size_t len, places; /* rows kept, of how many */
};

/* The filter's window, threads, processes, domains, focus and hide count; its value does not.
 * STATUS_UNSUPPORTED when the profile does not tell allocations over time. */
enum status memory_build(struct memory *out, const struct profile *p,
                         const struct query_filter *filter, const struct memory_options *options,
                         struct error *err);
/* Another order of all rows; ends a limit. */
void memory_sort(struct memory *m, enum memory_measure measure);
void memory_free(struct memory *m);

/* Of an estimate in bytes made of `count` blocks (docs/memory.md); 0 when nothing is estimated. */
double memory_standard_error(struct memory_amount a, uint64_t every_bytes);

enum status memory_write_json(const struct memory *m, const struct profile *p, uint64_t revision,
                              struct buf *out);
