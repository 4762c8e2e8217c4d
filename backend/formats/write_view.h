#pragma once
/* What writers of stack formats see of any profile: its own samples, or, for a call graph or line
 * hits, stacks made from them. */

#include "backend/model/profile.h"
#include "common/base/buf.h"

struct write_view {
    const struct profile *profile; /* has at least one sample set, unless there is nothing */
    struct profile *made;          /* from a call graph or lines; NULL = the profile's own */
};

enum status write_view_init(struct write_view *v, const struct profile *p, struct error *err);
void write_view_deinit(struct write_view *v);

/* What a format keeps; the rest is listed, a line each, as "FORMAT: what". */
enum write_keeps {
    KEEPS_TIMES = 1,
    KEEPS_VALUES = 2, /* all value types */
    KEEPS_THREADS = 4,
    KEEPS_LABELS = 8,
    KEEPS_SERIES = 16,
    KEEPS_SPANS = 32,
};
void write_view_list_lost(const struct write_view *v, const struct profile *p, const char *format,
                          unsigned keeps, struct buf *lost);

static inline int64_t sample_value(const struct sample_set *s, size_t type, size_t row)
{
    return s->values[type].value ? s->values[type].value[row] : s->values[type].constant;
}

static inline uint32_t sample_stack(const struct sample_set *s, size_t row)
{
    return s->stack ? s->stack[row] : 0;
}

static inline uint32_t sample_thread(const struct sample_set *s, size_t row)
{
    return s->thread ? s->thread[row] : 0;
}

/* Rows of a set in order of thread, then of time: `order` has room for set->len. */
enum status write_view_order(const struct profile *p, const struct sample_set *s, uint32_t *order);

/* The frames of a stack from the outermost on; returns the depth. `frames` has room for
 * TABLES_MAX_DEPTH. */
size_t write_view_path(const struct profile *p, uint32_t stack, uint32_t *frames);
