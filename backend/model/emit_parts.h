#pragma once
/* A profile as batches: what the files of apply_emit share. */

#include "backend/model/apply.h"
#include "common/base/arena.h"
#include "common/base/buf.h"

enum {
    EMIT_ROWS = 1 << 16,  /* of all kinds in one batch */
    EMIT_BYTES = 4 << 20, /* of texts in one batch, unless one alone has more */
    EMIT_LIST = 1 << 10,  /* blocks of columns in one batch */
};

struct emitter {
    const struct profile *p;
    apply_put_fn put;
    void *ctx;
    bool is_plain; /* no zstd */
    struct buf message;
    uint32_t *wire_string; /* the number on the wire of each string that rows refer to */
    uint64_t seq;
    size_t strings, processes, threads; /* sent so far */

    /* the batch that is being filled; what its columns need lives in the arena */
    struct wire_batch batch;
    struct arena *arena;
    size_t rows_left, bytes_left;
    bool is_empty;
    struct wire_sample_set *sets;
    struct wire_metric *metrics;
    struct wire_samples *samples;
    struct wire_points *points;
    struct wire_lines *lines;
};

/* Sends the batch, when there is anything in it, and begins the next. */
enum status emit_flush(struct emitter *e);

/* Room for 1 to `want` rows: `*got` says how many. */
enum status emit_rows(struct emitter *e, size_t want, size_t *got);
/* Room for one thing of so many rows and bytes of text, in a batch of its own if need be. */
enum status emit_room(struct emitter *e, size_t rows, size_t bytes);

struct wire_bytes emit_text(const struct emitter *e, uint32_t string);

enum status emit_shapes(struct emitter *e);
