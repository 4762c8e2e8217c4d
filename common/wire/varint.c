#include "common/wire/varint.h"

#define HIGH_BITS 0x8080808080808080ULL

size_t varint_count(const uint8_t *data, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += data[i] < 0x80;
    return count;
}

static inline uint64_t load_word(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

/* The 7-bit groups of the bytes of `word` side by side. */
static inline uint64_t join_groups(uint64_t word)
{
    word &= ~HIGH_BITS;
    word = (word & 0x007f007f007f007fULL) | (word & 0x7f007f007f007f00ULL) >> 1;
    word = (word & 0x00003fff00003fffULL) | (word & 0x3fff00003fff0000ULL) >> 2;
    return (word & 0x000000000fffffffULL) | (word & 0x0fffffff00000000ULL) >> 4;
}

/* One number at *at. Up to 8 bytes are taken from one load where 8 bytes are left. */
static inline bool take_one(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    const uint8_t *p = *at;
    if (*p < 0x80) {
        *value = *p;
        *at = p + 1;
        return true;
    }
    if (end - p >= 8) {
        uint64_t word = load_word(p);
        uint64_t stops = ~word & HIGH_BITS;
        if (stops) {
            /* All bits up to the first stop bit: the bytes of this number. */
            *value = join_groups(word & (stops ^ (stops - 1)));
            *at = p + (__builtin_ctzll(stops) >> 3) + 1;
            return true;
        }
    }
    return varint_take(at, end, value);
}

/* One loop for all columns: `STORE` puts `value` as the next item; short runs of one-byte numbers
 * are common in columns of differences and are taken eight at a time. */
#define UNPACK(STORE)                                                                              \
    while (at < end) {                                                                             \
        uint64_t value;                                                                            \
        while (end - at >= 8) {                                                                    \
            uint64_t word = load_word(at);                                                         \
            if (word & HIGH_BITS)                                                                  \
                break;                                                                             \
            for (int i = 0; i < 8; i++) {                                                          \
                value = word >> (8 * i) & 0x7f;                                                    \
                STORE;                                                                             \
            }                                                                                      \
            at += 8;                                                                               \
        }                                                                                          \
        if (at == end)                                                                             \
            break;                                                                                 \
        const uint8_t *start = at;                                                                 \
        if (!take_one(&at, end, &value) || value > limit)                                          \
            return start;                                                                          \
        STORE;                                                                                     \
    }                                                                                              \
    return NULL

const uint8_t *varint_unpack_u32(const uint8_t *at, const uint8_t *end, void *out, size_t stride)
{
    const uint64_t limit = UINT32_MAX;
    char *to = out;
    UNPACK({
        uint32_t item = (uint32_t)value;
        memcpy(to, &item, sizeof(item));
        to += stride;
    });
}

const uint8_t *varint_unpack_u64(const uint8_t *at, const uint8_t *end, uint64_t *out)
{
    const uint64_t limit = UINT64_MAX;
    UNPACK(*out++ = value);
}

const uint8_t *varint_unpack_zigzag(const uint8_t *at, const uint8_t *end, int64_t *out)
{
    const uint64_t limit = UINT64_MAX;
    UNPACK(*out++ = unzigzag(value));
}
