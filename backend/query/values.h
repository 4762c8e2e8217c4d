#pragma once
/* Which numbers a profile offers: every value type of every sample set, a call graph's time, the
 * time of line hits. Each has a key, the `value=` of the API and the command line. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "common/base/status.h"

enum query_source { QUERY_SAMPLES, QUERY_CALL_GRAPH, QUERY_LINES };

/* Values worked out from a heap's rows: alive at the end of the window, allocated in the window
 * and alive at its end, alive when most was. */
enum query_derived { QUERY_AS_IS, QUERY_IN_USE, QUERY_LEAKED, QUERY_AT_PEAK };

struct query_value {
    enum query_source source;
    enum query_derived derived;
    uint32_t set, column; /* QUERY_SAMPLES: which set, which of its types */
    char *key;            /* the name, or "set.name" where two sets share a name */
    const char *set_name; /* "" when not of samples; borrowed from the profile, as below */
    const char *name, *unit;
};

struct query_values {
    struct query_value *items;
    size_t len;
};

/* In order of the profile, but first what was asked for with --mode, or "cpu" where the program had
 * work for half of the time; the first is the default. May be empty (series only). */
enum status query_values_list(const struct profile *p, struct query_values *out);
void query_values_free(struct query_values *v);

/* The value of this key, the first one for NULL or "". STATUS_NOT_FOUND names the keys there are.
 * out->key is NULL: only the list owns keys. */
enum status query_value_find(const struct profile *p, const char *key, struct query_value *out,
                             struct error *err);

/* Sum over the whole profile. Sums saturate at the ends of int64. */
double query_value_total(const struct profile *p, const struct query_value *v);

/* 1e-9 for "ns", 1 for "s", ...; 0 when the unit is not a time. An amount divided by the other way
 * round is the nearest double to its seconds, one multiplied need not be. */
double query_unit_seconds(const char *unit);
double query_units_per_second(const char *unit);
