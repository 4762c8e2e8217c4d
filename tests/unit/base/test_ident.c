#include <criterion/criterion.h>
#include <string.h>

#include "common/base/ident.h"

Test(ident, random_ones_are_valid_and_differ)
{
    char a[IDENT_TOKEN_CHARS + 1];
    char b[IDENT_TOKEN_CHARS + 1];
    cr_assert(ident_random(a, IDENT_TOKEN_CHARS));
    cr_assert(ident_random(b, IDENT_TOKEN_CHARS));
    cr_assert(ident_is_valid(a, IDENT_TOKEN_CHARS));
    cr_assert_str_neq(a, b);
}

Test(ident, every_character_of_the_alphabet_comes_up)
{
    char seen[128] = {0};
    for (int i = 0; i < 200; i++) {
        char text[101];
        cr_assert(ident_random(text, 100));
        for (const char *c = text; *c; c++)
            seen[(unsigned char)*c & 127] = 1;
    }
    int count = 0;
    for (int i = 0; i < 128; i++)
        count += seen[i];
    cr_assert_eq(count, 32);
}

Test(ident, other_lengths_and_characters_are_not_valid)
{
    cr_assert(ident_is_valid("abcdefghijklmnop", 16));
    cr_assert_not(ident_is_valid("abcdefghijklmno", 16));
    cr_assert_not(ident_is_valid("abcdefghijklmnopq", 16));
    cr_assert_not(ident_is_valid("abcdefghijklmnoP", 16));
    cr_assert_not(ident_is_valid("abcdefghijklmno1", 16));
    cr_assert_not(ident_is_valid("../../../../etc/", 16));
}

Test(ident, secrets_are_equal_only_to_themselves)
{
    cr_assert(ident_equal_secret("abc", 3, "abc", 3));
    cr_assert(ident_equal_secret("", 0, "", 0));
    cr_assert_not(ident_equal_secret("abc", 3, "abd", 3));
    cr_assert_not(ident_equal_secret("abc", 3, "ab", 2));
    cr_assert_not(ident_equal_secret("ab", 2, "abc", 3));
    cr_assert_not(ident_equal_secret("abab", 4, "ab", 2));
    cr_assert_not(ident_equal_secret("", 0, "a", 1));
    cr_assert_not(ident_equal_secret("a", 1, "", 0));
}
