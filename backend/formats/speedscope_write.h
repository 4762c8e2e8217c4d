#pragma once
/* Writes speedscope's JSON: a sampled profile for each thread and value. */

#include "backend/model/profile.h"
#include "common/base/buf.h"

enum status speedscope_write(const struct profile *p, struct buf *out, struct buf *lost,
                             struct error *err);
