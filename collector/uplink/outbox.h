#pragma once
/* Messages that the server has not acknowledged, in order of their seq: in memory up to a bound,
 * then in a spool file that has no name and goes away with the process. Used by one thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/status.h"

struct outbox {
    struct outbox_item {
        uint64_t seq;
        size_t len;
        uint8_t *data; /* NULL = in the spool, at `offset` */
        uint64_t offset;
    } * items; /* a ring */
    size_t cap, first, len;

    size_t memory_limit, memory_used;
    uint64_t spool_limit;
    uint64_t spool_head, spool_tail; /* the spool is a ring, too: oldest byte, next free byte */
    size_t spooled;                  /* items in it */
    int spool_fd;                    /* -1 = not yet made */
    const char *spool_dir;
};

/* `spool_dir` is borrowed; NULL = $TMPDIR, else /var/tmp. */
void outbox_init(struct outbox *o, size_t memory_limit, uint64_t spool_limit,
                 const char *spool_dir);
void outbox_deinit(struct outbox *o);

/* Adds the message with the next seq. STATUS_TOO_LARGE when it is full; STATUS_IO when the spool
 * cannot be written; nothing is added then. */
enum status outbox_add(struct outbox *o, uint64_t seq, const uint8_t *data, size_t len,
                       struct error *err);

/* Puts the message behind what is in `out`. STATUS_NOT_FOUND when there is none of this seq. */
enum status outbox_read(struct outbox *o, uint64_t seq, struct buf *out, struct error *err);

/* Forgets the messages up to this seq. */
void outbox_drop(struct outbox *o, uint64_t seq);

uint64_t outbox_first_seq(const struct outbox *o); /* 0 = it is empty */
