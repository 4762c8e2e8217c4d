#pragma once
/* Reading foreign bytes: a cursor that cannot leave its range. After the first read past the end it
 * stays failed and gives zeros, so that a parser checks once. Little endian, as x86-64 is. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
    const uint8_t *at, *end;
    bool failed;
};

static inline struct cursor cursor_over(const uint8_t *data, size_t len)
{
    return (struct cursor){.at = data, .end = data ? data + len : data};
}

static inline size_t cursor_left(const struct cursor *c)
{
    return c->failed ? 0 : (size_t)(c->end - c->at);
}

/* The next `len` bytes, or NULL. */
static inline const uint8_t *cursor_take(struct cursor *c, uint64_t len)
{
    if (len > cursor_left(c)) {
        c->failed = true;
        return NULL;
    }
    const uint8_t *bytes = c->at;
    if (len > 0)
        c->at += len;
    return bytes;
}

/* `size` bytes (1 to 8) as a number. */
static inline uint64_t cursor_number(struct cursor *c, size_t size)
{
    uint64_t value = 0;
    const uint8_t *bytes = cursor_take(c, size);
    if (bytes)
        memcpy(&value, bytes, size);
    return value;
}

static inline int64_t cursor_signed(struct cursor *c, size_t size)
{
    uint64_t value = cursor_number(c, size);
    if (size == 0)
        return 0;
    unsigned shift = (unsigned)(64 - 8 * size);
    return (int64_t)(value << shift) >> shift;
}

/* LEB128: bits past the 64th are dropped, as are those of a number that never ends. */
static inline uint64_t cursor_uleb(struct cursor *c)
{
    uint64_t value = 0;
    uint64_t byte = 0x80;
    for (unsigned shift = 0; byte & 0x80 && !c->failed; shift += 7) {
        byte = cursor_number(c, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
    }
    return value;
}

static inline int64_t cursor_sleb(struct cursor *c)
{
    uint64_t value = 0;
    uint64_t byte = 0x80;
    unsigned shift = 0;
    for (; byte & 0x80 && !c->failed; shift += 7) {
        byte = cursor_number(c, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
    }
    if (shift < 64 && byte & 0x40)
        value |= ~UINT64_C(0) << shift;
    return (int64_t)value;
}
