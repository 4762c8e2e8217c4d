#include <criterion/criterion.h>
#include <stdlib.h>

#include "collector/heap/live.h"

enum { BLOCKS = 20000 };

static struct live l;

static void setup(void)
{
    live_init(&l);
}

static void teardown(void)
{
    live_deinit(&l);
}

TestSuite(live, .init = setup, .fini = teardown);

static uint64_t address_of(uint64_t n)
{
    return UINT64_C(0x7f0000000010) + n * 48; /* as pymalloc lays its blocks */
}

static void put(uint64_t n)
{
    bool is_new = false;
    struct live_block *b = live_put(&l, address_of(n), &is_new);
    cr_assert(b && is_new);
    b->size = (uint32_t)n;
}

Test(live, finds_what_was_put_and_nothing_else)
{
    cr_assert_null(live_find(&l, address_of(0)));
    for (uint64_t n = 0; n < BLOCKS; n++)
        put(n);
    cr_assert_eq(l.len, BLOCKS);
    for (uint64_t n = 0; n < BLOCKS; n++)
        cr_assert_eq(live_find(&l, address_of(n))->size, n);
    cr_assert_null(live_find(&l, address_of(BLOCKS)));
    cr_assert_null(live_find(&l, address_of(3) + 16));
}

Test(live, putting_again_gives_the_block_that_is_there)
{
    bool is_new = true;
    put(7);
    struct live_block *b = live_put(&l, address_of(7), &is_new);
    cr_assert_not(is_new);
    cr_assert_eq(b->size, 7);
    cr_assert_eq(l.len, 1);
}

/* Against a plain array of what should be there: removal moves entries about. */
Test(live, any_order_of_puts_and_removes_leaves_the_right_blocks)
{
    static bool is_there[BLOCKS];
    size_t there = 0;
    srand(7);
    for (int turn = 0; turn < 400000; turn++) {
        uint64_t n = (uint64_t)rand() % BLOCKS;
        struct live_block *b = live_find(&l, address_of(n));
        cr_assert_eq(b != NULL, is_there[n]);
        if (b) {
            cr_assert_eq(b->size, n);
            live_remove(&l, b);
            there--;
        } else {
            put(n);
            there++;
        }
        is_there[n] = !is_there[n];
        cr_assert_eq(l.len, there);
    }
    for (uint64_t n = 0; n < BLOCKS; n++)
        cr_assert_eq(live_find(&l, address_of(n)) != NULL, is_there[n]);
}

/* Sizes of all kinds, addresses at any alignment, whole pages that come and go. */
Test(live, agrees_with_a_plain_list_whatever_the_addresses_are)
{
    enum { MANY = 60000, TURNS = 600000 };
    static bool is_there[MANY];
    srand(11);
    for (int turn = 0; turn < TURNS; turn++) {
        /* Some pages have blocks at every byte, most at every 16th, some have one only. */
        uint64_t n = (uint64_t)rand() % MANY;
        uint64_t at = n < 4096    ? UINT64_C(0x10000) + n
                      : n < 50000 ? UINT64_C(0x7f0000000000) + n * 16
                                  : UINT64_C(0x7e0000000000) + n * 16400;
        struct live_block *b = live_find(&l, at);
        cr_assert_eq(b != NULL, is_there[n]);
        /* Long times of mostly coming, and of mostly going. */
        bool comes = rand() % 8 < (turn / 50000 % 2 ? 1 : 7);
        if (b) {
            cr_assert_eq(b->address, at);
            cr_assert_eq(b->size, (uint32_t)n);
        }
        if (b && !comes) {
            live_remove(&l, b);
            is_there[n] = false;
        } else if (!b && comes) {
            bool is_new = false;
            b = live_put(&l, at, &is_new);
            cr_assert(b && is_new);
            b->size = (uint32_t)n;
            is_there[n] = true;
        }
    }
    size_t there = 0;
    for (size_t n = 0; n < MANY; n++)
        there += is_there[n];
    cr_assert_eq(l.len, there);
}

Test(live, memory_follows_what_is_alive_and_not_what_has_been)
{
    bool is_new;
    size_t after_first = 0;
    for (uint64_t round = 0; round < 200; round++) {
        uint64_t base = UINT64_C(0x7f0000000000) + (round << 30); /* never the same addresses */
        for (uint64_t n = 0; n < 5000; n++)
            cr_assert(live_put(&l, base + n * 32, &is_new));
        for (uint64_t n = 0; n < 5000; n++)
            live_remove(&l, live_find(&l, base + n * 32));
        if (round == 0)
            after_first = l.bytes;
    }
    cr_assert_eq(l.len, 0);
    cr_assert_leq(l.bytes, 8 * after_first);
}
