#pragma once
/* A growing run of bytes with a limit.
 *
 * Failure is sticky: after the first put that does not fit, later puts do nothing and
 * buf_status() says why, so that a writer checks once at its end. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"

struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t limit; /* 0 = none */
    enum status failed;
};

void buf_init(struct buf *b, size_t limit);
void buf_deinit(struct buf *b); /* takes a zeroed buf too */
void buf_clear(struct buf *b);  /* keeps the memory, forgets content and failure */

/* `len` writable bytes at the end, already counted in; NULL after a failure. Valid until the
 * next put. */
uint8_t *buf_grow(struct buf *b, size_t len);

void buf_put(struct buf *b, const void *data, size_t len);
void buf_put_text(struct buf *b, const char *text);
void buf_put_byte(struct buf *b, uint8_t byte);
void buf_put_u32(struct buf *b, uint32_t value); /* little endian */
void buf_put_u64(struct buf *b, uint64_t value); /* little endian */
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* STATUS_OK, STATUS_NO_MEMORY or STATUS_TOO_LARGE. */
enum status buf_status(const struct buf *b);

/* Hands the bytes over (free() them) and leaves the buf empty. */
uint8_t *buf_take(struct buf *b, size_t *len);
