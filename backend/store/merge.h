#pragma once
/* Several consecutive batches as one that says the same: what a session's small chunks become. */

#include "common/base/arena.h"
#include "common/base/status.h"
#include "common/wire/wire.h"

/* `out` lives in the arena and borrows from the parts. STATUS_UNSUPPORTED: these cannot become one
 * batch (say, two call graphs) and stay as they are. */
enum status merge_batches(struct wire_batch *out, const struct wire_batch *parts, size_t len,
                          struct arena *arena);

/* Whether both hold as many rows of everything: the last check before the parts go. */
bool merge_counts_match(const struct wire_batch *merged, const struct wire_batch *again);
