#include "common/wire/varint.h"

/* Eight bytes at a time: a number ends at each byte without its high bit. */
#define HIGH_BITS 0x8080808080808080ULL
#define ONES      0x0101010101010101ULL

static inline uint64_t load_word(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

size_t varint_count(const uint8_t *data, size_t len)
{
    size_t count = 0;
    size_t i = 0;
    for (; i + 8 <= len; i += 8)
        count += ((~load_word(data + i) & HIGH_BITS) >> 7) * ONES >> 56;
    for (; i < len; i++)
        count += data[i] < 0x80;
    return count;
}

/* The 7-bit groups of the bytes of `word` side by side. */
static inline uint64_t join_groups(uint64_t word)
{
    word &= ~HIGH_BITS;
    word = (word & 0x007f007f007f007fULL) | (word & 0x7f007f007f007f00ULL) >> 1;
    word = (word & 0x00003fff00003fffULL) | (word & 0x3fff00003fff0000ULL) >> 2;
    return (word & 0x000000000fffffffULL) | (word & 0x0fffffff00000000ULL) >> 4;
}

/* One loop for all columns; `STORE` puts `value` as the next item. Within a word the ends are found
 * without looking at one byte after another; a number that does not end in its word, and the last
 * ones, are taken singly. */
#define UNPACK(STORE)                                                                              \
    while (at < end) {                                                                             \
        uint64_t value;                                                                            \
        uint64_t word = end - at >= 8 ? load_word(at) : HIGH_BITS;                                 \
        uint64_t stops = ~word & HIGH_BITS;                                                        \
        if (stops == 0) {                                                                          \
            const uint8_t *start = at;                                                             \
            if (!varint_take(&at, end, &value) || value > limit)                                   \
                return start;                                                                      \
            STORE;                                                                                 \
            continue;                                                                              \
        }                                                                                          \
        if (stops == HIGH_BITS) {                                                                  \
            for (int i = 0; i < 8; i++) {                                                          \
                value = word >> (8 * i) & 0x7f;                                                    \
                STORE;                                                                             \
            }                                                                                      \
            at += 8;                                                                               \
            continue;                                                                              \
        }                                                                                          \
        unsigned from = 0;                                                                         \
        do {                                                                                       \
            unsigned until = (unsigned)__builtin_ctzll(stops) + 1;                                 \
            value = join_groups(word >> from & ~0ULL >> (64 - (until - from)));                    \
            if (value > limit)                                                                     \
                return at + from / 8;                                                              \
            STORE;                                                                                 \
            from = until;                                                                          \
            stops &= stops - 1;                                                                    \
        } while (stops);                                                                           \
        at += from / 8;                                                                            \
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
