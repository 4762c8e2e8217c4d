#include <criterion/criterion.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/array.h"

Test(arena, gives_zeroed_memory_aligned_for_any_type)
{
    struct arena *a = arena_new();
    for (size_t size = 1; size < 3000; size += 7) {
        char *at = arena_alloc(a, size);
        cr_assert(at);
        cr_assert_eq((uintptr_t)at % alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            cr_assert_eq(at[i], 0);
        memset(at, 0xff, size);
    }
    arena_free(a);
}

Test(arena, small_items_go_on_in_their_block_after_a_large_one)
{
    struct arena *a = arena_new();
    char *first = arena_alloc(a, 16);
    char *large = arena_alloc(a, 1 << 20);
    char *next = arena_alloc(a, 16);
    cr_assert_eq(next, first + 16);
    memset(large, 1, 1 << 20);
    cr_assert_eq(first[0], 0);
    cr_assert_geq(arena_size(a), 1 << 20);
    arena_free(a);
}

Test(arena, a_copy_ends_with_a_nul)
{
    struct arena *a = arena_new();
    memset(arena_take(a, 100), 'x', 100); /* so that the copy's place is not zero by chance */
    const char *copy = arena_copy(a, "a\0b", 3);
    cr_assert_eq(memcmp(copy, "a\0b\0", 4), 0);
    cr_assert_str_empty(arena_copy(a, NULL, 0));
    arena_free(a);
}

Test(arena, a_size_that_cannot_be_is_refused)
{
    struct arena *a = arena_new();
    cr_assert_null(arena_alloc(a, SIZE_MAX));
    cr_assert_null(arena_alloc(a, SIZE_MAX / 2 + 1));
    cr_assert_null(arena_copy(a, "", SIZE_MAX));
    cr_assert(arena_alloc(a, 1));
    arena_free(a);
    arena_free(NULL);
}

Test(array, grows_and_keeps_what_it_holds)
{
    uint16_t *items = NULL;
    size_t cap = 0;
    for (size_t i = 0; i < 1000; i++) {
        cr_assert(array_reserve(&items, &cap, i + 1));
        cr_assert_gt(cap, i);
        items[i] = (uint16_t)i;
    }
    for (size_t i = 0; i < 1000; i++)
        cr_assert_eq(items[i], i);
    free(items);
}

Test(array, a_size_that_overflows_changes_nothing)
{
    uint64_t *items = NULL;
    size_t cap = 0;
    cr_assert(array_reserve(&items, &cap, 4));
    const uint64_t *before = items;
    size_t cap_before = cap;
    cr_assert_not(array_reserve(&items, &cap, SIZE_MAX));
    cr_assert_not(array_reserve(&items, &cap, SIZE_MAX / sizeof(*items) + 1));
    cr_assert_eq(items, before);
    cr_assert_eq(cap, cap_before);
    free(items);
}
