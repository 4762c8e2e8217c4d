#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/varint.h"

Test(varint, every_length_comes_back)
{
    for (unsigned bits = 0; bits <= 64; bits++) {
        uint64_t value = bits ? UINT64_MAX >> (64 - bits) : 0;
        uint8_t bytes[VARINT_MAX];
        const uint8_t *end = varint_put(bytes, value);
        const uint8_t *at = bytes;
        uint64_t back;
        cr_assert(varint_take(&at, end, &back));
        cr_assert_eq(back, value);
        cr_assert_eq(at, end);
        cr_assert_eq(end - bytes, bits <= 7 ? 1 : (bits + 6) / 7);
    }
}

Test(varint, one_cut_short_is_refused)
{
    uint8_t bytes[VARINT_MAX];
    const uint8_t *end = varint_put(bytes, UINT64_MAX);
    for (const uint8_t *cut = bytes; cut < end; cut++) {
        const uint8_t *at = bytes;
        uint64_t value;
        cr_assert_not(varint_take(&at, cut, &value));
        cr_assert_eq(at, bytes);
    }
}

Test(varint, one_of_more_than_64_bits_is_refused)
{
    const uint8_t eleven[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01};
    const uint8_t large[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    const uint8_t *at = eleven;
    uint64_t value;
    cr_assert_not(varint_take(&at, eleven + sizeof(eleven), &value));
    at = large;
    cr_assert_not(varint_take(&at, large + sizeof(large), &value));
}

Test(varint, zigzag_keeps_the_ends_of_the_range)
{
    const int64_t values[] = {0, -1, 1, INT64_MAX, INT64_MIN, -123456789012};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        cr_assert_eq(unzigzag(zigzag(values[i])), values[i]);
    cr_assert_eq(zigzag(-1), 1);
    cr_assert_eq(zigzag(1), 2);
}

/* A column of `len` numbers whose lengths the pattern gives, in a block that ends where they do. */
static void check_column(size_t len, unsigned pattern)
{
    uint64_t *values = malloc((len + 1) * sizeof(*values));
    uint8_t *room = malloc(len * VARINT_MAX + 1);
    uint8_t *end = room;
    for (size_t i = 0; i < len; i++) {
        unsigned bits = (unsigned)(i * 7 + pattern * 13) % 65;
        if (pattern == 0)
            bits = 7;
        values[i] = bits ? UINT64_MAX >> (64 - bits) : 0;
        end = varint_put(end, values[i]);
    }
    size_t bytes = (size_t)(end - room);
    uint8_t *exact = malloc(bytes + 1);
    memcpy(exact, room, bytes);
    uint64_t *back = malloc((len + 1) * sizeof(*back));
    cr_assert_eq(varint_count(exact, bytes), len);
    cr_assert_null(varint_unpack_u64(exact, exact + bytes, back));
    cr_assert_eq(memcmp(back, values, len * sizeof(*values)), 0);
    int64_t *zigzags = malloc((len + 1) * sizeof(*zigzags));
    cr_assert_null(varint_unpack_zigzag(exact, exact + bytes, zigzags));
    for (size_t i = 0; i < len; i++)
        cr_assert_eq(zigzags[i], unzigzag(values[i]));
    free(zigzags);
    free(values);
    free(room);
    free(exact);
    free(back);
}

Test(varint, columns_of_every_mix_of_lengths_come_back)
{
    for (size_t len = 0; len < 40; len++) {
        for (unsigned pattern = 0; pattern < 65; pattern++)
            check_column(len, pattern);
    }
}

Test(varint, a_column_goes_into_one_member_of_many_structs)
{
    struct pair {
        uint32_t a, b;
    } pairs[9];
    const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0xff, 0xff, 0xff, 0x0f};
    memset(pairs, 0x55, sizeof(pairs));
    cr_assert_null(varint_unpack_u32(bytes, bytes + sizeof(bytes), &pairs[0].b, sizeof(pairs[0])));
    cr_assert_eq(pairs[7].b, 8);
    cr_assert_eq(pairs[8].b, UINT32_MAX);
    cr_assert_eq(pairs[8].a, 0x55555555);
}

Test(varint, a_number_over_32_bits_is_pointed_at)
{
    const uint8_t bytes[] = {1, 0x80, 0x80, 0x80, 0x80, 0x10};
    uint32_t items[2];
    cr_assert_eq(varint_unpack_u32(bytes, bytes + sizeof(bytes), items, sizeof(items[0])),
                 bytes + 1);
}
