#include <criterion/criterion.h>

#include "tests/unit/formats/profile_sums.h"

#define POINTS(fs)                                                                                 \
    "{\"dhatFileVersion\":2,\"mode\":\"heap\",\"cmd\":\"./x\",\"pid\":7,\"pps\":[{\"tb\":10,"      \
    "\"tbk\":1,\"gb\":5,\"gbk\":1,\"eb\":2,\"ebk\":1,\"rb\":3,\"wb\":4,\"fs\":" fs "}],\"ftbl\":"  \
    "[\"[root]\",\"0x1: operator new(unsigned long) (in /lib/x.so)\",\"0x2: main (a.c:3)\"]}"

static struct error err;

Test(dhat, reads_every_amount_of_a_program_point)
{
    struct profile *p = load_text(POINTS("[1,2]"), &err);
    cr_assert(p, "%s", err.text);
    static const int64_t expected[] = {10, 1, 5, 1, 2, 1, 3, 4};
    for (size_t i = 0; i < 8; i++)
        cr_assert_eq(total_of(p, 0, i), expected[i]);
    cr_assert_eq(self_of(p, 0, 0, "operator new(unsigned long)"), 10);
    cr_assert_eq(total_with(p, 0, 0, "main"), 10);
    cr_assert_eq(p->pid, 7);
    profile_free(p);
}

Test(dhat, refuses_frames_that_are_not_there_and_other_versions)
{
    cr_assert_null(load_text(POINTS("[9]"), &err));
    cr_assert(strstr(err.text, "frame 9"), "%s", err.text);
    cr_assert_null(load_text("{\"dhatFileVersion\":3,\"pps\":[],\"ftbl\":[]}", &err));
    cr_assert_eq(err.status, STATUS_UNSUPPORTED);
}

Test(stackprof, reads_raw_stacks_with_their_times)
{
    struct profile *p = load_text(
        "{\"version\":1.2,\"mode\":\"cpu\",\"interval\":1000,\"samples\":3,\"gc_samples\":0,"
        "\"missed_samples\":0,\"frames\":{\"1\":{\"name\":\"a\",\"file\":\"x.rb\",\"line\":2},"
        "\"2\":{"
        "\"name\":\"b\",\"file\":\"x.rb\",\"line\":null}},\"raw\":[2,1,2,2,1,1,1],"
        "\"raw_timestamp_deltas\":[5,6,7]}",
        &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(self_of(p, 0, 0, "b"), 2);
    cr_assert_eq(self_of(p, 0, 1, "b"), 11000);
    cr_assert_eq(total_with(p, 0, 1, "a"), 18000);
    profile_free(p);
}
