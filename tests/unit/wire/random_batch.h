#pragma once
/* Streams of batches that make sense, the same ones for the same seed: indices exist, times mostly
 * rise, every field is used now and then. For property tests of the wire and the model. */

#include <stdint.h>

#include "common/base/arena.h"
#include "common/wire/wire.h"

struct random_stream {
    uint64_t state;
    struct arena *arena; /* of everything made; free it last */
    uint64_t seq, now_ns;
    uint32_t strings, functions, frames, stacks, processes, threads, label_sets, sets, metrics;
    uint32_t call_rows;
    size_t values[64]; /* of each sample set */
    unsigned max_rows; /* of one table in one batch */
};

void random_stream_init(struct random_stream *r, uint64_t seed, unsigned max_rows);
void random_stream_deinit(struct random_stream *r);

uint64_t random_u64(struct random_stream *r);
uint32_t random_below(struct random_stream *r, uint32_t limit); /* 0 when limit is 0 */

struct wire_hello random_hello(struct random_stream *r);
struct wire_batch random_batch(struct random_stream *r);
