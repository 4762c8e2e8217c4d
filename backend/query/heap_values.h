#pragma once
/* What was alive, worked out from what was allocated and freed: values that no row holds as such.
 * A set "heap" has rows of stack and time with bytes allocated and freed, and when the freed ones
 * had been born. Internal to query. */

#include <stdbool.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "backend/query/filter.h"
#include "backend/query/merge.h"
#include "common/base/status.h"

struct heap_columns {
    uint32_t allocated, freed, born;
    bool has_counts, has_temporary;
    uint32_t allocations, frees, temporary, temporaries;
};
/* Whether the set has all that is needed. */
bool heap_columns_find(const struct profile *p, uint32_t set, struct heap_columns *out);

/* The first set that has it; false when there is none. */
bool heap_set_find(const struct profile *p, uint32_t *set, struct heap_columns *columns);

/* The mean distance of samples in bytes, 0 when every allocation was followed. The longest one of
 * the run where the collector had to make it longer: errors are not understated. */
uint64_t heap_every_bytes(const struct profile *p, const struct sample_set *s);

static inline int64_t heap_value_at(const struct sample_set *s, uint32_t column, size_t row)
{
    return s->values[column].value ? s->values[column].value[row] : s->values[column].constant;
}

/* When most was in use, of the rows that pass, within the window. */
struct heap_peak {
    uint64_t time_ns; /* rows before this make it up */
    double bytes;
};
enum status heap_peak_find(const struct profile *p, uint32_t set, const struct query_filter *f,
                           struct heap_peak *out);

/* Sums by stack of a derived value; as stack_sums_init. */
enum status heap_sums_init(struct stack_sums *s, const struct profile *p,
                           const struct query_value *v, const struct query_filter *filter);

/* Over the whole profile. */
double heap_value_total(const struct profile *p, const struct query_value *v);
