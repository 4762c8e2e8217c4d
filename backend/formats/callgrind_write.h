#pragma once
/* Writes the call graph (own, or what the stacks add up to) for KCachegrind and callgrind_annotate.
 */

#include "backend/model/profile.h"
#include "common/base/buf.h"

enum status callgrind_write(const struct profile *p, struct buf *out, struct buf *lost,
                            struct error *err);
