#pragma once
/* What the answers about memory share. Internal to query. */

#include <stdint.h>

#include "backend/model/profile.h"
#include "common/base/json_out.h"

/* An array of the functions above the place where the stack ends, the nearest first. */
void memory_write_callers(struct json_out *j, const struct profile *p, uint32_t stack);
