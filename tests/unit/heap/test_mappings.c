#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "collector/heap/mappings.h"

enum { PAGES = 64 };

static struct mappings m;
static uint64_t heard_bytes;
static unsigned heard_whole, heard_parts;

static void hear(void *ctx, const struct mapping *piece, uint64_t bytes, bool is_whole)
{
    (void)ctx;
    (void)piece;
    heard_bytes += bytes;
    heard_whole += is_whole;
    heard_parts++;
}

static void setup(void)
{
    mappings_init(&m);
    heard_bytes = heard_whole = heard_parts = 0;
}

static void teardown(void)
{
    mappings_deinit(&m);
}

TestSuite(mappings, .init = setup, .fini = teardown);

static void add(uint64_t begin, uint64_t end)
{
    const struct mapping item = {.begin = begin, .end = end, .site = 3, .counts = 1};
    cr_assert(mappings_add(&m, &item));
}

Test(mappings, a_hole_leaves_two_pieces_of_which_one_counts)
{
    add(100, 200);
    cr_assert_eq(mappings_remove(&m, 120, 150, hear, NULL), 30);
    cr_assert_eq(m.len, 2);
    cr_assert_eq(m.items[0].begin, 100);
    cr_assert_eq(m.items[0].end, 120);
    cr_assert_eq(m.items[1].begin, 150);
    cr_assert_eq(m.items[1].end, 200);
    cr_assert_eq(m.items[0].counts + m.items[1].counts, 1);
    cr_assert_eq(heard_whole, 0);
}

Test(mappings, one_range_takes_several_and_parts_of_their_neighbours)
{
    add(100, 200);
    add(200, 300);
    add(400, 500);
    cr_assert_eq(mappings_remove(&m, 150, 450, hear, NULL), 50 + 100 + 50);
    cr_assert_eq(heard_bytes, 200);
    cr_assert_eq(heard_parts, 3);
    cr_assert_eq(heard_whole, 1);
    cr_assert_eq(m.len, 2);
}

Test(mappings, what_was_never_mapped_is_not_missed)
{
    add(100, 200);
    cr_assert_eq(mappings_remove(&m, 200, 900, hear, NULL), 0);
    cr_assert_eq(mappings_remove(&m, 0, 100, hear, NULL), 0);
    cr_assert_eq(m.len, 1);
}

/* Against one byte a page. */
Test(mappings, any_order_of_ranges_agrees_with_a_map_of_pages)
{
    bool is_mapped[PAGES] = {0};
    srand(11);
    for (int turn = 0; turn < 20000; turn++) {
        uint64_t begin = (uint64_t)rand() % PAGES;
        uint64_t end = begin + 1 + (uint64_t)rand() % (PAGES - begin);
        uint64_t expected = 0;
        for (uint64_t page = begin; page < end; page++)
            expected += is_mapped[page];
        bool adds = rand() % 2;
        cr_assert_eq(mappings_remove(&m, begin, end, hear, NULL), expected);
        if (adds)
            add(begin, end);
        for (uint64_t page = begin; page < end; page++)
            is_mapped[page] = adds;
        for (size_t i = 1; i < m.len; i++)
            cr_assert_leq(m.items[i - 1].end, m.items[i].begin);
    }
}
