#pragma once
/* The questions about one profile by name ("flame", "table", ...), their parameters as texts: what
 * the API's GET .../flame?invert=1 asks, and what a saved page asks the profile inside it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "backend/query/cache.h"
#include "backend/query/filter.h"
#include "backend/query/flame.h"
#include "common/base/buf.h"
#include "common/base/status.h"

struct ask {
    const struct profile *profile;
    struct query_cache *cache; /* may be NULL */
    uint64_t revision;
    struct query_filter filter;
    /* A parameter's text by its name; NULL = not given. */
    const char *(*param)(void *ctx, const char *name);
    void *ctx;
};

/* docs/api.md has the names and the answers. `*is_binary`: the answer is not JSON.
 * STATUS_NOT_FOUND for a question there is not. */
enum status ask_answer(const struct ask *a, const char *question, struct buf *answer,
                       bool *is_binary, struct error *err);

/* A whole number up to `max`, or a number; unchanged when `text` is NULL or "". */
enum status ask_u64(const char *name, const char *text, uint64_t max, uint64_t *value,
                    struct error *err);
enum status ask_f64(const char *name, const char *text, double *value, struct error *err);

/* What `invert`, `min`, `depth` and `nodes` ask for. */
enum status ask_flame_options(const struct ask *a, struct flame_options *o, struct error *err);
