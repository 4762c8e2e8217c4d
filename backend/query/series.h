#pragma once
/* Memory and CPU over time, thinned to what a screen can show. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "common/base/buf.h"
#include "common/base/status.h"

struct series_query {
    const char *names; /* "rss,pss"; NULL or "" = all */
    enum { SERIES_ANY, SERIES_TREE, SERIES_PROCESS } whose;
    uint32_t process; /* of SERIES_PROCESS */
    bool has_from, has_to;
    uint64_t from_ns, to_ns;
    size_t points; /* per series; 0 = 2000 */
};

/* {"rev","series":[...]}: where there are more points than asked for, each kept point stands for
 * a bucket of equally many and carries its last value, least and greatest. */
enum status series_write_json(const struct profile *p, const struct series_query *query,
                              uint64_t revision, struct buf *out);

/* {"rev","spans":[...]} */
enum status spans_write_json(const struct profile *p, uint64_t revision, struct buf *out);
