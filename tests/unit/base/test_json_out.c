#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json_out.h"

static char *text_of(struct buf *b)
{
    buf_put_byte(b, 0);
    cr_assert_eq(buf_status(b), STATUS_OK);
    return (char *)b->data;
}

static void check_string(const char *data, size_t len, const char *expected)
{
    struct buf b;
    struct json_out j;
    buf_init(&b, 0);
    json_out_init(&j, &b);
    json_out_string(&j, data, len);
    cr_assert_str_eq(text_of(&b), expected);
    buf_deinit(&b);
}

#define CHECK_STRING(literal, expected) check_string(literal, sizeof(literal) - 1, expected)

Test(json_out, commas_and_colons_come_by_themselves)
{
    struct buf b;
    struct json_out j;
    buf_init(&b, 0);
    json_out_init(&j, &b);
    json_out_object(&j);
    json_out_key(&j, "a");
    json_out_array(&j);
    json_out_u64(&j, UINT64_MAX);
    json_out_i64(&j, INT64_MIN);
    json_out_array(&j);
    json_out_end(&j);
    json_out_null(&j);
    json_out_end(&j);
    json_out_key(&j, "b");
    json_out_bool(&j, true);
    json_out_key(&j, "c");
    json_out_text(&j, NULL);
    json_out_end(&j);
    cr_assert_str_eq(
        text_of(&b),
        "{\"a\":[18446744073709551615,-9223372036854775808,[],null],\"b\":true,\"c\":null}");
    buf_deinit(&b);
}

Test(json_out, strings_are_escaped_also_for_a_script_element)
{
    CHECK_STRING("a\"b\\c\n\x01\x7f", "\"a\\\"b\\\\c\\n\\u0001\\u007f\"");
    CHECK_STRING("</script>", "\"\\u003c/script>\"");
    CHECK_STRING("a\0b", "\"a\\u0000b\"");
    CHECK_STRING("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa", "\"\\u2028\\u2029\xe2\x80\xaa\"");
}

Test(json_out, good_utf8_stays_and_bad_utf8_is_replaced)
{
    CHECK_STRING("\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x8d",
                 "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x8d\"");
    CHECK_STRING("\xff", "\"\\ufffd\"");
    CHECK_STRING("\xc3", "\"\\ufffd\"");
    CHECK_STRING("\xc0\xaf", "\"\\ufffd\\ufffd\"");
    CHECK_STRING("\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"");
    CHECK_STRING("\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
    CHECK_STRING("\xe2\x82", "\"\\ufffd\\ufffd\"");
}

static void check_number(double value, const char *expected)
{
    struct buf b;
    struct json_out j;
    buf_init(&b, 0);
    json_out_init(&j, &b);
    json_out_f64(&j, value);
    cr_assert_str_eq(text_of(&b), expected);
    buf_deinit(&b);
}

Test(json_out, numbers_are_the_shortest_that_read_back_the_same)
{
    check_number(0.1, "0.1");
    check_number(1e300, "1e+300");
    check_number(0.1 + 0.2, "0.30000000000000004");
    check_number(-0.0, "-0");
    check_number(123456789012345, "123456789012345");
    check_number((double)NAN, "null");
    check_number((double)INFINITY, "null");
}

Test(json_out, every_double_reads_back)
{
    uint64_t bits = 88172645463325252ULL;
    for (int i = 0; i < 20000; i++) {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        struct buf b;
        struct json_out j;
        buf_init(&b, 0);
        json_out_init(&j, &b);
        json_out_f64(&j, value);
        cr_assert_eq(strtod(text_of(&b), NULL), value);
        buf_deinit(&b);
    }
}
