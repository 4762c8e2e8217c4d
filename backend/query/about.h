#pragma once
/* What a profile is: the answer to GET /api/v1/profiles/ID (docs/api.md). What the store knows of
 * it and the profile does not comes with it. */

#include <stddef.h>
#include <stdint.h>

#include "backend/model/profile.h"
#include "common/base/buf.h"
#include "common/base/status.h"

struct about {
    const char *id, *name, *state;
    uint64_t revision, created_unix_ms;
    const char *tags; /* JSON of our own making; NULL = the profile's own */
    const char *summary;
    size_t summary_len;
};

enum status about_write_json(const struct about *a, const struct profile *p, struct buf *out);
