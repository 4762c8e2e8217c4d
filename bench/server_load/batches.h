#pragma once
/* The batches of a made-up program: some threads that are sampled at a rate, in few places mostly
 * and in many now and then, as a server gets them from a real collector. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/status.h"

enum { BATCHES_MAX_STACKS = 20000, BATCHES_MAX_FRESH = 400 };

struct batches {
    uint32_t stacks; /* in the end; at most BATCHES_MAX_STACKS */
    uint32_t fresh;  /* new ones of a batch until `early` batches; at most BATCHES_MAX_FRESH */
    uint32_t early, later; /* new ones of a batch after that */
    bool has_values;       /* each sample its own; else one for all */
    uint32_t threads;
    uint32_t rows;        /* samples of one batch, of all threads together */
    uint64_t interval_ns; /* between two samples of one thread */
    uint64_t random;      /* not 0; a seed of its own for each program */
    uint64_t seq;         /* of the last batch that was made */
    uint32_t sent;        /* rows of every table so far; they grow together, one of each */
    uint8_t depth[BATCHES_MAX_STACKS + 1];
};

/* Appends the next batch as a message. */
enum status batches_next(struct batches *b, struct buf *out);
