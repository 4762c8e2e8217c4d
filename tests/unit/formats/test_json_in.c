#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/formats/json_in.h"

static struct json_in json;
static struct error err;

static struct json_in *open_text(const char *text)
{
    err = (struct error){0};
    json_in_init(&json, (const uint8_t *)text, strlen(text), &err);
    return &json;
}

static double number(const char *text)
{
    struct json_in *j = open_text(text);
    double value = json_in_f64(j);
    cr_assert(json_in_finish(j), "%s", err.text);
    json_in_deinit(j);
    return value;
}

static bool is_refused(const char *text)
{
    struct json_in *j = open_text(text);
    json_in_skip(j);
    json_in_finish(j);
    bool refused = json_in_status(j) != STATUS_OK && err.text[0];
    json_in_deinit(j);
    return refused;
}

Test(json_in, walks_objects_and_arrays_in_order)
{
    struct json_in *j = open_text(" {\"a\": [1, 2], \"b\": {\"c\": null}, \"d\": true}");
    struct text key;
    char seen[32] = "";
    json_in_object(j);
    while (json_in_key(j, &key)) {
        strncat(seen, key.data, key.len);
        if (text_equal(key, "a")) {
            json_in_array(j);
            cr_assert(json_in_item(j));
            cr_assert_eq(json_in_i64(j), 1);
            cr_assert(json_in_item(j));
            cr_assert_eq(json_in_i64(j), 2);
            cr_assert_not(json_in_item(j));
        } else if (text_equal(key, "d")) {
            cr_assert(json_in_bool(j));
        } else {
            json_in_skip(j);
        }
    }
    cr_assert(json_in_finish(j));
    cr_assert_str_eq(seen, "abd");
    json_in_deinit(j);
}

Test(json_in, turns_escapes_into_utf8_and_keeps_lone_surrogates)
{
    struct json_in *j =
        open_text("[\"plain\", \"\\u00e9\\n\\\"\", \"\\ud83d\\ude00\", \"\\ud800x\"]");
    json_in_array(j);
    json_in_item(j);
    cr_assert(text_equal(json_in_string(j), "plain"));
    json_in_item(j);
    cr_assert(text_equal(json_in_string(j), "\xc3\xa9\n\""));
    json_in_item(j);
    cr_assert(text_equal(json_in_string(j), "\xf0\x9f\x98\x80"));
    json_in_item(j);
    cr_assert(text_equal(json_in_string(j), "\xed\xa0\x80x"));
    cr_assert_not(json_in_item(j));
    cr_assert_eq(json_in_status(j), STATUS_OK);
    json_in_deinit(j);
}

Test(json_in, reads_integers_of_64_bits_exactly)
{
    struct json_in *j = open_text("[9223372036854775807, -9223372036854775808, 1e3, 12.0]");
    json_in_array(j);
    json_in_item(j);
    cr_assert_eq(json_in_i64(j), INT64_MAX);
    json_in_item(j);
    cr_assert_eq(json_in_i64(j), INT64_MIN);
    json_in_item(j);
    cr_assert_eq(json_in_i64(j), 1000);
    json_in_item(j);
    cr_assert_eq(json_in_i64(j), 12);
    json_in_deinit(j);
}

Test(json_in, rounds_hard_decimals_as_strtod_does)
{
    static const char *const hard[] = {
        "9007199254740993",
        "9007199254740993.0",
        "0.1",
        "2.2250738585072011e-308",
        "1.7976931348623157e308",
        "5e-324",
        "0.500000000000000166533453693773481063544750213623046875",
        "123456789012345678901234567890",
        "1.00000000000000011102230246251565404236316680908203125",
        "1.00000000000000011102230246251565404236316680908203124",
        "6929495644600919.5",
        "3.14159265358979323846264338327950288e-20",
        "8.533e+68",
    };
    for (size_t i = 0; i < sizeof(hard) / sizeof(hard[0]); i++)
        cr_assert_eq(number(hard[i]), strtod(hard[i], NULL), "%s", hard[i]);
}

Test(json_in, rounds_random_decimals_as_strtod_does)
{
    uint64_t state = 88172645463325252U;
    for (int i = 0; i < 200000; i++) {
        char text[64];
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        uint64_t digits = state >> (state & 31);
        int exponent = (int)(state >> 40 & 63) - 40;
        snprintf(text, sizeof(text), "%" PRIu64 ".%03ue%d", digits, (unsigned)(state % 1000),
                 exponent);
        double ours = number(text);
        double theirs = strtod(text, NULL);
        cr_assert(memcmp(&ours, &theirs, sizeof(ours)) == 0, "%s", text);
    }
}

Test(json_in, refuses_what_is_not_json)
{
    static const char *const bad[] = {
        "",          "[",  "[1,]", "[1 2]", "{\"a\" 1}",  "{\"a\":}", "{a:1}", "\"a", "\"\\x\"",
        "\"\\u12\"", "01", "1.",   "1e",    "-",          "nul",      "[1]]",  "tru", "{\"a\":1",
        "\"a\nb\"",  "+1", "[}",   "{]",    "{\"a\":1,}", ",",        "\"\\",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert(is_refused(bad[i]), "%s", bad[i]);
}

Test(json_in, says_where_it_went_wrong)
{
    struct json_in *j = open_text("{\n  \"a\": [1, x]\n}");
    json_in_skip(j);
    cr_assert_eq(json_in_status(j), STATUS_INVALID);
    cr_assert(strstr(err.text, "line 2, column 12 (byte 13)"), "%s", err.text);
    json_in_deinit(j);
}

Test(json_in, stops_at_its_depth_limit_without_recursion)
{
    size_t n = 200000;
    char *text = malloc(n + 1);
    cr_assert(text);
    memset(text, '[', n);
    text[n] = 0;
    struct json_in *j = open_text(text);
    json_in_skip(j);
    cr_assert_eq(json_in_status(j), STATUS_TOO_LARGE);
    json_in_deinit(j);
    free(text);
}

Test(json_in, comes_back_to_a_marked_value)
{
    struct json_in *j = open_text("{\"first\": [1, \"]\\\"\", {\"x\": 2}], \"second\": 3}");
    struct text key;
    const uint8_t *mark = NULL;
    json_in_object(j);
    while (json_in_key(j, &key)) {
        if (text_equal(key, "first"))
            mark = json_in_mark(j);
        else
            cr_assert_eq(json_in_i64(j), 3);
    }
    cr_assert(json_in_finish(j));
    json_in_return(j, mark);
    json_in_array(j);
    json_in_item(j);
    cr_assert_eq(json_in_i64(j), 1);
    json_in_deinit(j);
}

Test(json_in, forgives_an_open_end_only_when_told_to)
{
    struct json_in *j = open_text("[1, 2,");
    j->may_be_open = true;
    json_in_array(j);
    size_t n = 0;
    for (; json_in_item(j); n++)
        json_in_skip(j);
    cr_assert_eq(n, 2);
    cr_assert_eq(json_in_status(j), STATUS_OK);
    json_in_deinit(j);
    cr_assert(is_refused("[1, 2,"));
}
