#pragma once
/* A session whose every batch is known from its seq, for tests of the store and of what leads to
 * it: what was stored can be compared with what should be, whatever happened in between. */

#include <stdbool.h>

#include "backend/model/profile.h"
#include "common/base/buf.h"
#include "common/wire/wire.h"

enum { MADE_SAMPLES = 10 }; /* in every batch */

/* The id is 16 characters made from the number. */
const char *made_id(unsigned number, char out[17]);

/* Borrows `id`. */
struct wire_hello made_hello(const char *id);

/* The batch of this seq as a ToServer message behind what is in `out`. */
void made_message(struct buf *out, uint64_t seq);

/* The same, decoded; both live until the next call with the same `made`. Zero it first. */
struct made {
    struct buf message;
    struct arena *arena;
    struct wire_to_server decoded;
};
const struct wire_batch *made_batch(struct made *m, uint64_t seq);
void made_deinit(struct made *m);

/* Whether the profile holds exactly the batches 1 to `last`; says on stderr what differs. */
bool made_is_exactly(const struct profile *p, uint64_t last);
