#include <criterion/criterion.h>
#include <stdio.h>

#include "collector/native/merge.h"

/* Native frames are 100 bytes each, the innermost at 1000; a capital E marks an evaluation loop. */
enum { FRAME = 104, BASE = 1000, MAX = 16 };

static struct merge_native natives[MAX];
static uint8_t words[MAX][FRAME];
static uint64_t saved[MAX][6];
static uint32_t items[64];

static size_t set_natives(const char *kinds)
{
    size_t len = strlen(kinds);
    memset(words, 0, sizeof(words));
    memset(saved, 0, sizeof(saved));
    for (size_t i = 0; i < len; i++) {
        natives[i] = (struct merge_native){
            .sp = BASE + i * FRAME,
            .cfa = BASE + (i + 1) * FRAME,
            .words = words[i],
            .saved = saved[i],
            .saved_known = 0x3f,
            .is_eval = kinds[i] == 'E',
        };
    }
    return len;
}

/* Innermost first: native frames as n0, n1, ..., Python frames as p0, ..., a cut as !. */
static const char *merge(size_t natives_len, bool is_whole, const struct merge_run *runs,
                         size_t runs_len, size_t pythons_len, bool *is_partial)
{
    static char text[256];
    struct merged out = {.items = items};
    merge_stacks(natives, natives_len, is_whole, runs, runs_len, pythons_len, &out);
    *is_partial = out.is_partial;
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < out.len; i++) {
        if (out.items[i] & MERGE_CUT)
            at += (size_t)snprintf(text + at, sizeof(text) - at, " !");
        else
            at += (size_t)snprintf(text + at, sizeof(text) - at, " %c%u",
                                   out.items[i] & MERGE_PYTHON ? 'p' : 'n',
                                   out.items[i] & 0xffffffU & ~(unsigned)MERGE_PYTHON);
    }
    return text;
}

static uint64_t within(size_t native)
{
    return BASE + native * FRAME + 40;
}

Test(native_merge, puts_the_python_frames_of_a_run_inside_its_loop)
{
    bool is_partial;
    size_t len = set_natives("nEnnEn");
    const struct merge_run runs[] = {{2, within(1), 1}, {3, within(4), 3}};
    cr_expect_str_eq(merge(len, true, runs, 2, 3, &is_partial), " n0 p0 p1 n1 n2 n3 p2 n4 n5");
    cr_expect_not(is_partial);
}

Test(native_merge, finds_a_run_by_its_pointer_where_there_is_no_entry_frame)
{
    bool is_partial;
    size_t len = set_natives("nEnEn");
    uint64_t frame = 0x7000;
    memcpy(words[1] + 16, &frame, sizeof(frame));
    saved[3][2] = 0x8000;
    const struct merge_run runs[] = {{1, 0, 0x7000}, {2, 0, 0x8000}};
    cr_expect_str_eq(merge(len, true, runs, 2, 2, &is_partial), " n0 p0 n1 n2 p1 n3 n4");
    cr_expect_not(is_partial);
}

Test(native_merge, a_loop_that_has_not_entered_its_frame_is_part_of_the_call)
{
    bool is_partial;
    size_t len = set_natives("nEnEn");
    saved[3][0] = 0x8000;
    const struct merge_run runs[] = {{1, 0, 0x8000}};
    cr_expect_str_eq(merge(len, true, runs, 1, 1, &is_partial), " n0 n1 n2 p0 n3 n4");
    cr_expect_not(is_partial);
}

Test(native_merge, another_greenlets_callers_are_left_out)
{
    bool is_partial;
    size_t len = set_natives("nEnEn");
    const struct merge_run runs[] = {{2, within(1), 1}};
    cr_expect_str_eq(merge(len, true, runs, 1, 2, &is_partial), " n0 p0 p1 n1");
    cr_expect_not(is_partial);
}

Test(native_merge, an_unfinished_native_stack_says_where_it_ends)
{
    bool is_partial;
    size_t len = set_natives("nEn");
    const struct merge_run runs[] = {{1, within(1), 1}, {3, within(9), 2}};
    cr_expect_str_eq(merge(len, false, runs, 2, 3, &is_partial), " n0 p0 n1 n2 ! p1 p2");
    cr_expect_not(is_partial, "a cut is not a wrong place");
    len = set_natives("nn");
    cr_expect_str_eq(merge(len, false, NULL, 0, 0, &is_partial), " n0 n1 !");
}

Test(native_merge, what_cannot_be_placed_is_left_out_and_said)
{
    bool is_partial;
    size_t len = set_natives("nEnEnE");
    saved[1][0] = 0x8000;
    const struct merge_run runs[] = {{1, 0, 0x8000}, {2, 0, 0x9000}, {3, 0, 0xa000}};
    cr_expect_str_eq(merge(len, true, runs, 3, 3, &is_partial), " n0 p0 n1 ! p1 p2");
    cr_expect(is_partial);

    /* None is found: only what lies inside the innermost loop, whichever it is, is sure. */
    len = set_natives("nnEnEn");
    cr_expect_str_eq(merge(len, true, runs, 3, 3, &is_partial), " n0 n1 ! p0 p1 p2");
    cr_expect(is_partial);
}

Test(native_merge, an_entry_frame_elsewhere_belongs_to_no_frame)
{
    bool is_partial;
    size_t len = set_natives("nEn");
    natives[1].cfa = 0; /* where it ends is not known */
    const struct merge_run runs[] = {{1, within(1), 1}};
    cr_expect_str_eq(merge(len, false, runs, 1, 1, &is_partial), " n0 n1 n2 ! p0");
}
