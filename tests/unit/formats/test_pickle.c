#include <criterion/criterion.h>

#include "tests/unit/formats/profile_sums.h"

static struct error err;

#define LPROF                                                                                      \
    "\x80\x02"                                                                                     \
    "c_line_profiler\nLineStats\n)\x81"

Test(pickle, refuses_a_class_no_profile_needs_and_names_it)
{
    static const char attack[] = LPROF "}cos\nsystem\n.";
    cr_assert_null(load(attack, sizeof(attack) - 1, &err));
    cr_assert(strstr(err.text, "os.system"), "%s", err.text);
}

Test(pickle, refuses_a_call)
{
    static const char call[] = LPROF ")R.";
    cr_assert_null(load(call, sizeof(call) - 1, &err));
    cr_assert(strstr(err.text, "REDUCE"), "%s", err.text);
}

Test(pickle, refuses_a_memo_number_the_file_cannot_hold)
{
    static const char memo[] = LPROF "r\xff\xff\xff\xff.";
    cr_assert_null(load(memo, sizeof(memo) - 1, &err));
    cr_assert(strstr(err.text, "memo"), "%s", err.text);
}

Test(pickle, reads_line_stats)
{
    static const char stats[] = LPROF "}(X\4\0\0\0unitG\x3f\xf0\0\0\0\0\0\0"
                                      "X\7\0\0\0timings}(X\4\0\0\0a.pyK\3X\1\0\0\0f\x87]"
                                      "K\4K\2K\5\x87"
                                      "aub.";
    static const char whole[] = LPROF "}(X\4\0\0\0unitG\x3f\xf0\0\0\0\0\0\0"
                                      "X\7\0\0\0timings}(X\4\0\0\0a.pyK\3X\1\0\0\0f\x87]"
                                      "K\4K\2K\5\x87"
                                      "auub.";
    cr_assert_null(load(stats, sizeof(stats) - 1, &err));
    struct profile *p = load(whole, sizeof(whole) - 1, &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(p->lines_len, 1);
    cr_assert_eq(p->lines[0].line, 4);
    cr_assert_eq(p->lines[0].hits, 2);
    cr_assert_eq(p->lines[0].time_s, 5.0);
    profile_free(p);
}
