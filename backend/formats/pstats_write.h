#pragma once
/* Writes a dump that pstats.Stats, SnakeViz and gprof2dot load on every Python. */

#include "backend/model/profile.h"
#include "common/base/buf.h"

enum status pstats_write(const struct profile *p, struct buf *out, struct buf *lost,
                         struct error *err);
