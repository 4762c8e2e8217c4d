#pragma once
/* Functions put together by where they are defined: module, package or file. A group goes by the
 * lowest of its functions' ids, which stays the same while a profile grows. Internal to query, and
 * to whoever names a group. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "backend/query/filter.h"
#include "common/base/status.h"
#include "common/base/strtab.h"

struct groups {
    enum group_by by;
    uint32_t *of;    /* by function: the lowest function of its group */
    uint32_t *label; /* by function: in `labels` */
    size_t len;
    struct strtab labels;
};

enum status groups_build(struct groups *g, const struct profile *p, enum group_by by);
void groups_deinit(struct groups *g); /* takes a zeroed one too */

/* "json.decoder", "json", "decoder.py": what the group of this function is called. */
const char *groups_label(const struct groups *g, uint32_t function, size_t *len);
