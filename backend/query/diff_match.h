#pragma once
/* Which function of one profile is which of another. Internal to query.
 *
 * By (module, qualified name); by the file's stem where either profile knows no modules, so that
 * another checkout or another machine compares ("__init__.py" goes by its folder). An address in a
 * name ("... at 0x7f12") does not count: it differs from run to run. */

#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "backend/query/table.h"
#include "common/base/status.h"

enum { DIFF_NONE = UINT32_MAX };

/* Rows of two tables; DIFF_NONE for what the other does not have. */
struct diff_pair {
    uint32_t base, target;
};

/* A malloc'd array of at most base->len + target->len pairs: each row in exactly one. */
enum status diff_match(const struct profile *base, const struct table *base_rows,
                       const struct profile *target, const struct table *target_rows,
                       struct diff_pair **pairs, size_t *len);

/* Where a function is defined, as the pairs see it: "login" for "/srv/app/login.py". */
const char *diff_stem(const struct profile *p, uint32_t function, size_t *len);
