#include <criterion/criterion.h>

#include "common/base/map.h"

Test(map, finds_nothing_when_empty)
{
    struct map m;
    map_init(&m);
    cr_assert_null(map_find(&m, 0));
    map_deinit(&m);
}

Test(map, keeps_every_key_while_it_grows)
{
    struct map m;
    map_init(&m);
    for (uint64_t i = 0; i < 50000; i++)
        cr_assert(map_put(&m, i * 0x100000000ULL, (uint32_t)i));
    cr_assert_eq(m.len, 50000);
    for (uint64_t i = 0; i < 50000; i++) {
        const uint32_t *value = map_find(&m, i * 0x100000000ULL);
        cr_assert(value);
        cr_assert_eq(*value, i);
        cr_assert_null(map_find(&m, i * 0x100000000ULL + 1));
    }
    map_deinit(&m);
}

Test(map, zero_is_a_key_and_a_value_like_others)
{
    struct map m;
    map_init(&m);
    cr_assert(map_put(&m, 0, 0));
    cr_assert_eq(*map_find(&m, 0), 0);
    cr_assert(map_put(&m, 0, 7));
    cr_assert_eq(*map_find(&m, 0), 7);
    cr_assert_eq(m.len, 1);
    map_deinit(&m);
}

Test(map, clear_forgets_and_keeps_its_memory)
{
    struct map m;
    map_init(&m);
    for (uint64_t i = 0; i < 1000; i++)
        cr_assert(map_put(&m, i, 1));
    size_t cap = m.cap;
    map_clear(&m);
    cr_assert_eq(m.len, 0);
    cr_assert_eq(m.cap, cap);
    cr_assert_null(map_find(&m, 5));
    cr_assert(map_put(&m, 5, 2));
    cr_assert_eq(*map_find(&m, 5), 2);
    map_deinit(&m);
}

Test(map, reserved_room_is_not_grown_into)
{
    struct map m;
    map_init(&m);
    cr_assert(map_reserve(&m, 5000));
    size_t cap = m.cap;
    for (uint64_t i = 0; i < 5000; i++)
        cr_assert(map_put(&m, i, 1));
    cr_assert_eq(m.cap, cap);
    map_deinit(&m);
}

/* Keys that all mix to the same low bits would make an unseeded map walk from one end of the run
 * to the other for each: 20,000 of them, 200 million steps. */
static uint64_t unmix(uint64_t h)
{
    h ^= h >> 33;
    h *= 0x9cb4b2f8129337dbULL; /* the inverse of 0xc4ceb9fe1a85ec53 */
    h ^= h >> 33;
    h *= 0x4f74430c22a54005ULL; /* the inverse of 0xff51afd7ed558ccd */
    h ^= h >> 33;
    return h;
}

Test(map, keys_chosen_to_fall_together_do_not)
{
    struct map m;
    map_init(&m);
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t key = unmix(i << 32);
        cr_assert_eq(map_mix(key), i << 32);
        cr_assert(map_put(&m, key, (uint32_t)i));
    }
    size_t longest = 0;
    size_t run = 0;
    for (size_t i = 0; i < m.cap; i++) {
        run = m.slots[i].used ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    cr_assert_lt(longest, 1000);
    map_deinit(&m);
}
