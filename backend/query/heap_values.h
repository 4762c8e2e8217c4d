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
};
/* Whether the set has all that is needed. */
bool heap_columns_find(const struct profile *p, uint32_t set, struct heap_columns *out);

/* Sums by stack of a derived value; as stack_sums_init. */
enum status heap_sums_init(struct stack_sums *s, const struct profile *p,
                           const struct query_value *v, const struct query_filter *filter);

/* Over the whole profile. */
double heap_value_total(const struct profile *p, const struct query_value *v);
