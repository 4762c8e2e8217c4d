#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"

Test(buf, puts_bytes_one_after_another)
{
    struct buf b;
    buf_init(&b, 0);
    buf_put_text(&b, "ab");
    buf_put_byte(&b, 0);
    buf_put_u32(&b, 0x04030201);
    buf_put_u64(&b, 0x0807060504030201ULL);
    buf_put(&b, NULL, 0);
    const uint8_t expected[] = {'a', 'b', 0, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8};
    cr_assert_eq(b.len, sizeof(expected));
    cr_assert_eq(memcmp(b.data, expected, sizeof(expected)), 0);
    cr_assert_eq(buf_status(&b), STATUS_OK);
    buf_deinit(&b);
}

Test(buf, a_limit_is_reached_once_and_for_all)
{
    struct buf b;
    buf_init(&b, 4);
    buf_put_text(&b, "abc");
    buf_put_text(&b, "de");
    cr_assert_eq(buf_status(&b), STATUS_TOO_LARGE);
    buf_put_text(&b, "f"); /* would fit, but what stands before it is missing */
    cr_assert_eq(b.len, 3);
    buf_clear(&b);
    buf_put_text(&b, "abcd");
    cr_assert_eq(buf_status(&b), STATUS_OK);
    cr_assert_eq(b.len, 4);
    buf_deinit(&b);
}

Test(buf, a_length_that_would_overflow_is_too_large)
{
    struct buf b;
    buf_init(&b, 0);
    buf_put_byte(&b, 1);
    cr_assert_null(buf_grow(&b, SIZE_MAX));
    cr_assert_eq(buf_status(&b), STATUS_TOO_LARGE);
    buf_deinit(&b);
}

Test(buf, printf_leaves_no_nul_and_grows_as_needed)
{
    struct buf b;
    buf_init(&b, 0);
    char text[3000];
    memset(text, 'y', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    buf_printf(&b, "%d:%s", 42, text);
    buf_printf(&b, "%s", "");
    buf_put_byte(&b, '!');
    cr_assert_eq(b.len, 3 + sizeof(text) - 1 + 1);
    cr_assert_eq(memcmp(b.data, "42:yy", 5), 0);
    cr_assert_eq(b.data[b.len - 1], '!');
    buf_deinit(&b);
}

Test(buf, printf_up_to_its_limit_exactly)
{
    struct buf b;
    buf_init(&b, 4);
    buf_printf(&b, "%s", "abcd");
    cr_assert_eq(buf_status(&b), STATUS_OK);
    cr_assert_eq(b.len, 4);
    buf_deinit(&b);
}

Test(buf, take_hands_the_bytes_over)
{
    struct buf b;
    buf_init(&b, 10);
    buf_put_text(&b, "abc");
    size_t len;
    uint8_t *data = buf_take(&b, &len);
    cr_assert_eq(len, 3);
    cr_assert_eq(memcmp(data, "abc", 3), 0);
    cr_assert_eq(b.len, 0);
    cr_assert_null(b.data);
    cr_assert_eq(b.limit, 10);
    free(data);
    buf_deinit(&b);
}
