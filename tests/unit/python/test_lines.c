#include <criterion/criterion.h>
#include <string.h>

#include "collector/python/lines.h"
#include "tests/unit/python/line_ranges.h"
#include "tests/unit/python/line_tables.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static void check(enum python_lines kind, const uint8_t *table, size_t len, uint32_t first,
                  const struct place *places, size_t places_len)
{
    for (size_t i = 0; i < places_len; i++) {
        int64_t end = i + 1 < places_len ? places[i + 1].offset : places[i].offset + 2;
        for (int64_t offset = places[i].offset; offset < end; offset += 2)
            cr_expect_eq(python_place(kind, table, len, first, offset).line, places[i].line,
                         "offset %ld is line %u, not %u", (long)offset, places[i].line,
                         python_place(kind, table, len, first, offset).line);
    }
}

#define AGREES(version, kind)                                                                      \
    Test(python_lines, agree_with_what_##version##_says_itself)                                    \
    {                                                                                              \
        check(kind, function_##version, sizeof(function_##version), function_##version##_first,    \
              function_##version##_places, LENGTH(function_##version##_places));                   \
        check(kind, module_##version, sizeof(module_##version), module_##version##_first,          \
              module_##version##_places, LENGTH(module_##version##_places));                       \
    }

AGREES(38, PYTHON_LINES_LNOTAB)
AGREES(39, PYTHON_LINES_LNOTAB)
AGREES(310, PYTHON_LINES_LINETABLE)
AGREES(311, PYTHON_LINES_LOCATIONS)
AGREES(312, PYTHON_LINES_LOCATIONS)
AGREES(313, PYTHON_LINES_LOCATIONS)
AGREES(314, PYTHON_LINES_LOCATIONS)

static void check_ranges(const uint8_t *table, size_t len, uint32_t first,
                         const struct range *ranges, size_t ranges_len)
{
    for (size_t i = 0; i < ranges_len; i++) {
        int64_t end = i + 1 < ranges_len ? ranges[i + 1].offset : ranges[i].offset + 2;
        for (int64_t offset = ranges[i].offset; offset < end; offset += 2) {
            struct python_place place =
                python_place(PYTHON_LINES_LOCATIONS, table, len, first, offset);
            cr_expect_eq(memcmp(&place, &ranges[i].place, sizeof(place)), 0,
                         "offset %ld is %u:%u to %u:%u", (long)offset, place.line, place.column,
                         place.end_line, place.end_column);
        }
    }
}

#define RANGES_AGREE(version)                                                                      \
    Test(python_lines, columns_agree_with_what_##version##_says_itself)                            \
    {                                                                                              \
        check_ranges(function_##version, sizeof(function_##version), function_##version##_first,   \
                     function_##version##_ranges, LENGTH(function_##version##_ranges));            \
        check_ranges(module_##version, sizeof(module_##version), module_##version##_first,         \
                     module_##version##_ranges, LENGTH(module_##version##_ranges));                \
    }

RANGES_AGREE(311)
RANGES_AGREE(312)
RANGES_AGREE(313)
RANGES_AGREE(314)

Test(python_lines, columns_of_older_tables_are_not_known)
{
    struct python_place place =
        python_place(PYTHON_LINES_LINETABLE, function_310, sizeof(function_310), 1, 0);
    cr_expect_neq(place.line, 0);
    cr_expect_eq(place.column + place.end_line + place.end_column, 0);
}

Test(python_lines, before_the_first_instruction_it_is_the_first_line)
{
    cr_expect_eq(
        python_place(PYTHON_LINES_LOCATIONS, function_312, sizeof(function_312), 7, -1).line, 7);
    cr_expect_eq(python_place(PYTHON_LINES_LNOTAB, NULL, 0, 7, -1).line, 7);
}

Test(python_lines, past_the_end_there_is_none)
{
    cr_expect_eq(
        python_place(PYTHON_LINES_LINETABLE, function_310, sizeof(function_310), 1, 1 << 20).line,
        0);
    cr_expect_eq(
        python_place(PYTHON_LINES_LOCATIONS, function_313, sizeof(function_313), 1, 1 << 20).line,
        0);
}

/* The sanitizer is the judge: a table may be cut anywhere. */
Test(python_lines, a_table_cut_short_is_not_read_past_its_end)
{
    for (size_t cut = 0; cut < sizeof(function_312); cut++) {
        uint8_t copy[sizeof(function_312)];
        for (size_t i = 0; i < cut; i++)
            copy[i] = function_312[i];
        for (int64_t offset = 0; offset < 300; offset += 2)
            (void)python_place(PYTHON_LINES_LOCATIONS, copy, cut, 1, offset);
    }
    const uint8_t endless[] = {0xf0, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f,
                               0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f};
    cr_expect_eq(python_place(PYTHON_LINES_LOCATIONS, endless, sizeof(endless), 1, 100).line, 0);
}
