#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/base/strtab.h"

static struct strtab t;

static void setup(void)
{
    cr_assert(strtab_init(&t));
}

static void teardown(void)
{
    strtab_deinit(&t);
}

TestSuite(strtab, .init = setup, .fini = teardown);

static uint32_t add(const char *data, size_t len)
{
    uint32_t id;
    cr_assert(strtab_add(&t, data, len, &id));
    return id;
}

Test(strtab, the_empty_string_is_number_zero)
{
    cr_assert_eq(add("", 0), 0);
    cr_assert_eq(add(NULL, 0), 0);
    cr_assert_eq(t.len, 1);
}

Test(strtab, the_same_bytes_get_the_same_number)
{
    uint32_t a = add("login", 5);
    cr_assert_eq(add("login", 5), a);
    cr_assert_neq(add("logins", 6), a);
    cr_assert_neq(add("login\0", 6), a);
    cr_assert_neq(add("logi", 4), a);
    cr_assert_str_eq(strtab_text(&t, a), "login");
    cr_assert_eq(strtab_len(&t, a), 5);
}

Test(strtab, bytes_are_told_apart_at_every_length_and_place)
{
    char text[40];
    memset(text, 'a', sizeof(text));
    for (size_t len = 1; len <= sizeof(text); len++) {
        uint32_t plain = add(text, len);
        for (size_t i = 0; i < len; i++) {
            text[i] = 'b';
            cr_assert_neq(add(text, len), plain, "length %zu, byte %zu", len, i);
            text[i] = 'a';
        }
        cr_assert_eq(add(text, len), plain);
    }
}

Test(strtab, many_strings_keep_their_numbers)
{
    char text[32];
    for (uint32_t i = 0; i < 50000; i++) {
        int len = snprintf(text, sizeof(text), "function_%u", i);
        cr_assert_eq(add(text, (size_t)len), i + 1);
    }
    for (uint32_t i = 0; i < 50000; i++) {
        int len = snprintf(text, sizeof(text), "function_%u", i);
        uint32_t id;
        cr_assert(strtab_find(&t, text, (size_t)len, &id));
        cr_assert_eq(id, i + 1);
        cr_assert_str_eq(strtab_text(&t, id), text);
    }
    cr_assert_gt(strtab_size(&t), t.bytes);
}

Test(strtab, find_adds_nothing)
{
    uint32_t id = 77;
    cr_assert_not(strtab_find(&t, "x", 1, &id));
    cr_assert_eq(id, 77);
    cr_assert_eq(t.len, 1);
}

Test(strtab, append_always_gives_a_new_number_and_add_the_first)
{
    uint32_t first = add("x", 1);
    uint32_t second;
    cr_assert(strtab_append(&t, "x", 1, &second));
    cr_assert_neq(first, second);
    for (uint32_t i = 0; i < 1000; i++) { /* past a growth of the slots */
        char text[16];
        add(text, (size_t)snprintf(text, sizeof(text), "%u", i));
    }
    cr_assert_eq(add("x", 1), first);
}

Test(strtab, a_number_that_is_not_there_reads_as_empty)
{
    cr_assert_str_empty(strtab_text(&t, 12345));
    cr_assert_eq(strtab_len(&t, 12345), 0);
}
