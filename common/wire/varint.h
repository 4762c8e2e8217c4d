#pragma once
/* Protobuf's variable-length integers, one at a time and as packed columns. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { VARINT_MAX = 10 };

static inline uint64_t zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static inline int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

/* `at` has room for VARINT_MAX bytes. Gives the end. */
static inline uint8_t *varint_put(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

/* The number at *at, which moves on; false when it does not end before `end` or has more than
 * 64 bits. */
static inline bool varint_take(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    uint64_t result = 0;
    const uint8_t *p = *at;
    for (unsigned shift = 0; p < end && shift < 70; shift += 7) {
        uint8_t byte = *p++;
        if (shift == 63 && byte > 1)
            return false;
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *at = p;
            *value = result;
            return true;
        }
    }
    return false;
}

/* How many numbers end in these bytes. */
size_t varint_count(const uint8_t *data, size_t len);

/* Unpack all of [at, end), which must be empty or end a number; item i goes to out + i * stride
 * bytes. Give NULL, or where a number is too large for the column. */
const uint8_t *varint_unpack_u32(const uint8_t *at, const uint8_t *end, void *out, size_t stride);
const uint8_t *varint_unpack_u64(const uint8_t *at, const uint8_t *end, uint64_t *out);
const uint8_t *varint_unpack_zigzag(const uint8_t *at, const uint8_t *end, int64_t *out);
