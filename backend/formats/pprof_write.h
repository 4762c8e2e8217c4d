#pragma once
/* Writes pprof's profile.proto, compressed with gzip. */

#include "backend/model/profile.h"
#include "common/base/buf.h"

enum status pprof_write(const struct profile *p, struct buf *out, struct buf *lost,
                        struct error *err);
