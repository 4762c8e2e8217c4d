#pragma once
/* Writes collapsed stacks; "name (file:line)" where the file is known. */

#include "backend/model/profile.h"
#include "common/base/buf.h"

enum status folded_write(const struct profile *p, struct buf *out, struct buf *lost,
                         struct error *err);
