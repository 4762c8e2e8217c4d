#include <criterion/criterion.h>

#include "tests/unit/formats/profile_sums.h"

static struct error err;

/* {("a.py", 1, "f"): (1, 2, 0.5, 1.0, {})}, marshal version 2. */
#define ROW                                                                                        \
    "{(\3\0\0\0u\4\0\0\0a.pyi\1\0\0\0u\1\0\0\0f(\5\0\0\0i\1\0\0\0i\2\0\0\0g\0\0\0\0\0\0\xe0\x3f"   \
    "g\0\0\0\0\0\0\xf0\x3f{00"

Test(pstats, keeps_calls_and_times_of_a_row)
{
    struct profile *p = load(ROW, sizeof(ROW) - 1, &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(p->call_graph.rows_len, 1);
    const struct call_row *row = &p->call_graph.rows[0];
    cr_assert_eq(row->calls, 2);
    cr_assert_eq(row->primitive_calls, 1);
    cr_assert_eq(row->self, 0.5);
    cr_assert_eq(row->total, 1.0);
    profile_free(p);
}

Test(pstats, refuses_a_code_object_by_name)
{
    static const char code[] = "{(\3\0\0\0u\1\0\0\0ai\1\0\0\0c";
    cr_assert_null(load(code, sizeof(code) - 1, &err));
    cr_assert(strstr(err.text, "a code object"), "%s", err.text);
    cr_assert(strstr(err.text, "byte 17"), "%s", err.text);
}

Test(pstats, refuses_a_size_past_the_end_without_taking_memory_for_it)
{
    static const char huge[] = "{(\3\0\0\0u\xff\xff\xff\x7f";
    cr_assert_null(load(huge, sizeof(huge) - 1, &err));
    cr_assert(strstr(err.text, "past the end"), "%s", err.text);
}

Test(pstats, refuses_a_file_cut_anywhere)
{
    for (size_t len = 3; len < sizeof(ROW) - 2; len++)
        cr_assert_null(load(ROW, len, &err), "%zu bytes were read", len);
}

Test(pstats, writes_what_it_reads)
{
    struct profile *p = load(ROW, sizeof(ROW) - 1, &err);
    struct buf out;
    struct buf lost;
    buf_init(&out, 0);
    buf_init(&lost, 0);
    cr_assert_eq(format_by_name("pstats")->write(p, &out, &lost, &err), STATUS_OK);
    cr_assert_eq(out.len, sizeof(ROW) - 1);
    cr_assert(memcmp(out.data, ROW, out.len) == 0);
    cr_assert_eq(lost.len, 0);
    buf_deinit(&out);
    buf_deinit(&lost);
    profile_free(p);
}
