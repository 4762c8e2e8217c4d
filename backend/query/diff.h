#pragma once
/* Two profiles compared: each function's self and total in both, what changed, and, for samples,
 * whether the change is more than chance (docs/compare.md). Functions are matched by module (or
 * file stem) and qualified name, not by path. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "backend/query/cache.h"
#include "backend/query/diff_match.h"
#include "backend/query/values.h"
#include "common/base/buf.h"
#include "common/base/status.h"

/* What makes two runs comparable: nothing, the target scaled to the base's total, or every
 * function's numbers by call (of call graphs only). */
enum diff_normalise { DIFF_AS_IS, DIFF_BY_TOTAL, DIFF_BY_CALLS };

enum diff_state { DIFF_CHANGED, DIFF_ADDED, DIFF_REMOVED, DIFF_SAME };

struct diff_options {
    const char *value; /* a key of values.h; NULL = the first that both have */
    enum diff_normalise normalise;
};
/* "none", "total", "ncalls"; NULL = none. STATUS_INVALID lists them. */
enum status diff_normalise_find(const char *name, enum diff_normalise *out, struct error *err);

/* A number in both: normalised, in the base's unit. */
struct diff_number {
    double base, target;
    double q; /* false discovery rate at which the change is one; NaN = not tested */
    bool is_significant;
};

struct diff_row {
    uint32_t base_function, target_function; /* DIFF_NONE = not there */
    enum diff_state state;
    struct diff_number self, total;
    uint64_t base_samples_self, target_samples_self, base_samples_total, target_samples_total;
    uint64_t base_calls, target_calls, base_primitive, target_primitive;
    bool is_significant; /* self or total is */
    bool is_regression;  /* self or total grew, by more than chance and by more than little */
};

struct diff_benchmark {
    const char *name;
    const struct model_benchmark *base, *target; /* NULL = not there */
    double q;                                    /* of the mean; NaN = not tested */
    bool is_significant, is_regression;
};

struct diff {
    const struct profile *base, *target;    /* borrowed: as long as the diff */
    struct query_value value, target_value; /* of functions; unit NULL = no functions */
    char *base_key, *target_key;            /* what `value=` calls them */
    double target_scale; /* what a number of the target is multiplied by, but for calls */
    enum diff_normalise normalise;
    bool is_tested;                  /* both are samples whose counts are known */
    double base_total, target_total; /* the whole, not normalised, in the base's unit */
    uint64_t base_samples, target_samples;
    struct diff_row *rows; /* regressions first, then by growth of self */
    size_t len;
    struct diff_benchmark *benchmarks; /* regressions first */
    size_t benchmarks_len;
    size_t significant, regressions; /* of rows and benchmarks */
};

/* A change is significant at a false discovery rate of 5 %. Less than 5 % of the base, or than
 * 0.1 % of the whole, is called no regression however sure it is. */
#define DIFF_RATE           0.05
#define DIFF_LEAST_RELATIVE 0.05
#define DIFF_LEAST_SHARE    0.001

/* STATUS_UNSUPPORTED when there is nothing both have. The caches may be NULL. */
enum status diff_build(struct diff *out, const struct profile *base, struct query_cache *base_cache,
                       const struct profile *target, struct query_cache *target_cache,
                       const struct diff_options *options, struct error *err);
void diff_free(struct diff *d);

/* target / base - 1; NaN when the base is 0. */
double diff_relative(double base, double target);

/* The profile and function that name a row: the target's where it has it. */
const struct profile *diff_row_who(const struct diff *d, const struct diff_row *r,
                                   uint32_t *function);

/* As members of an open object (docs/api.md); `top` rows, 0 = all. */
struct json_out;
void diff_write_members(const struct diff *d, size_t top, struct json_out *j);
enum status diff_write_text(const struct diff *d, size_t top, struct buf *out);
