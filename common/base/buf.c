#include "common/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"

void buf_init(struct buf *b, size_t limit)
{
    *b = (struct buf){.limit = limit};
}

void buf_deinit(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = STATUS_OK;
}

uint8_t *buf_grow(struct buf *b, size_t len)
{
    if (b->failed != STATUS_OK)
        return NULL;
    if (len > SIZE_MAX - b->len || (b->limit && b->len + len > b->limit)) {
        b->failed = STATUS_TOO_LARGE;
        return NULL;
    }
    if (!array_reserve(&b->data, &b->cap, b->len + len)) {
        b->failed = STATUS_NO_MEMORY;
        return NULL;
    }
    uint8_t *at = b->data + b->len;
    b->len += len;
    return at;
}

void buf_put(struct buf *b, const void *data, size_t len)
{
    if (len == 0)
        return;
    uint8_t *at = buf_grow(b, len);
    if (at)
        memcpy(at, data, len);
}

void buf_put_text(struct buf *b, const char *text)
{
    buf_put(b, text, strlen(text));
}

void buf_put_byte(struct buf *b, uint8_t byte)
{
    buf_put(b, &byte, 1);
}

void buf_put_u32(struct buf *b, uint32_t value)
{
    uint8_t *at = buf_grow(b, 4);
    for (int i = 0; at && i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

void buf_put_u64(struct buf *b, uint64_t value)
{
    uint8_t *at = buf_grow(b, 8);
    for (int i = 0; at && i < 8; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (need > 0 && buf_grow(b, (size_t)need)) {
        /* vsnprintf writes its own NUL: room for it, which does not count against the limit. */
        b->len -= (size_t)need;
        if (array_reserve(&b->data, &b->cap, b->len + (size_t)need + 1)) {
            vsnprintf((char *)b->data + b->len, (size_t)need + 1, format, again);
            b->len += (size_t)need;
        } else {
            b->failed = STATUS_NO_MEMORY;
        }
    }
    va_end(again);
}

enum status buf_status(const struct buf *b)
{
    return b->failed;
}

uint8_t *buf_take(struct buf *b, size_t *len)
{
    uint8_t *data = b->data;
    *len = b->len;
    *b = (struct buf){.limit = b->limit};
    return data;
}
