#pragma once
/* Which place of code each stack's memory belongs to. Internal to query. */

#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "backend/query/filter.h"
#include "backend/query/memory.h"
#include "common/base/map.h"
#include "common/base/status.h"

enum { MEMORY_OUTSIDE = UINT32_MAX }; /* the filter's focus leaves this stack out */

struct memory_place {
    uint32_t function, line, stack;
};

struct memory_places {
    uint32_t *of_stack; /* by stack: index into items, or MEMORY_OUTSIDE */
    struct memory_place *items;
    size_t len, cap;
};

enum status memory_places_init(struct memory_places *m, const struct profile *p,
                               const struct query_filter *filter, enum memory_by by);
void memory_places_deinit(struct memory_places *m);
