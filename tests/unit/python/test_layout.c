#include <criterion/criterion.h>
#include <string.h>

#include "collector/python/layout.h"

enum { WORDS = 128 };

/* Debug offsets in which every struct is 4096 bytes and field n lies at 8 * n. */
static void make_offsets(uint64_t *words, uint32_t version)
{
    for (size_t i = 0; i < WORDS; i++)
        words[i] = 8 * i;
    memcpy(words, "xdebugpy", 8);
    words[1] = version;
    words[2] = 0;
    static const uint8_t sizes_313[] = {3, 6, 19, 28, 34, 44, 46, 50, 56, 61, 64, 67, 71, 71};
    static const uint8_t sizes_314[] = {3, 6, 22, 31, 39, 50, 52, 56, 66, 71, 74, 77, 81, 83};
    static const uint8_t sizes_315[] = {3, 6, 22, 39, 47, 58, 60, 68, 78, 83, 86, 89, 94, 99};
    const uint8_t *sizes = (version >> 16 & 255) == 13   ? sizes_313
                           : (version >> 16 & 255) == 14 ? sizes_314
                                                         : sizes_315;
    for (size_t i = 0; i < sizeof(sizes_313); i++)
        words[sizes[i]] = 4096;
}

static enum python_layout_result init(struct python_layout *out, uint64_t *words, uint32_t version)
{
    return python_layout_init(out, version, (const uint8_t *)words, WORDS * sizeof(*words));
}

Test(python_layout, each_version_from_3_8_to_3_12_has_a_row)
{
    for (uint32_t minor = 8; minor <= 12; minor++) {
        struct python_layout layout;
        uint32_t version = 3U << 24 | minor << 16 | 0x05f0;
        cr_expect_eq(python_layout_init(&layout, version, NULL, 0), PYTHON_LAYOUT_OK);
        cr_expect_eq(layout.version, version);
        cr_expect_neq(layout.interp_threads_head, 0);
        cr_expect_gt(layout.code_size, layout.code_filename);
        cr_expect_eq(layout.tstate_frame == PYTHON_NO_FIELD, minor >= 11);
    }
}

Test(python_layout, later_versions_are_read_from_their_debug_offsets)
{
    for (uint32_t minor = 13; minor <= 15; minor++) {
        uint64_t words[WORDS];
        struct python_layout layout;
        uint32_t version = 3U << 24 | minor << 16 | 0x00f0;
        make_offsets(words, version);
        cr_assert_eq(init(&layout, words, version), PYTHON_LAYOUT_OK, "3.%u: %s", minor,
                     python_layout_result_text(init(&layout, words, version)));
        cr_expect_eq(layout.runtime_interpreters_head, 40);
        cr_expect_eq(layout.interp_next, 64);
        cr_expect_eq(layout.tstate_frame, minor == 13 ? 8 * 23 : 8 * 26);
        cr_expect_eq(layout.code_bytecode, minor == 13 ? 8 * 43 : minor == 14 ? 8 * 48 : 8 * 56);
        cr_expect_eq(layout.tstate_base_frame, minor == 15 ? 8 * 27 : PYTHON_NO_FIELD);
        cr_expect_eq(layout.tstate_chunk_top, layout.tstate_chunk + 8);
        cr_expect_eq(layout.generator_frame, minor == 13 ? 72 : minor == 14 ? 8 * 85 : 8 * 101);
        cr_expect_eq(layout.task_coroutine, minor == 13 ? 120 : PYTHON_NO_FIELD);
    }
}

/* What 3.15.0rc1 says of itself. */
Test(python_layout, the_words_of_3_15_are_where_its_header_has_them)
{
    uint64_t words[WORDS] = {0};
    struct python_layout layout;
    const uint64_t thread[] = {880, 0, 8, 16, 72, 80, 88, 96, 176, 180, 248, 32, 36, 40, 136, 280};
    const uint64_t interp[] = {226040, 7272, 7264, 7328, 7344, 7392, 7584, 7568,
                               7576,   16,   7720, 0,    7736, 7728, 7776, 0};
    make_offsets(words, 0x030f00c1);
    memcpy(words + 6, interp, sizeof(interp));
    memcpy(words + 22, thread, sizeof(thread));
    cr_assert_eq(init(&layout, words, 0x030f00c1), PYTHON_LAYOUT_OK);
    cr_expect_eq(layout.generator_runs, 4);
    cr_expect_eq(layout.awaited_below, 1);
    cr_expect_eq(layout.interp_threads_head, 7328);
    cr_expect_eq(layout.interp_code_generation, 7776);
    cr_expect_eq(layout.gil_last_holder, 8);
    cr_expect_eq(layout.gil_locked, 16);
    cr_expect_eq(layout.tstate_base_frame, 80);
    cr_expect_eq(layout.tstate_native_thread_id, 180);
    cr_expect_eq(layout.tstate_chunk, 248);
    cr_expect_eq(layout.tstate_holds_gil, 36);
    cr_expect_eq(layout.tstate_exception, 136);
    cr_expect_eq(layout.tstate_exc_info, 144);
}

Test(python_layout, versions_it_does_not_know_are_refused)
{
    struct python_layout layout;
    uint64_t words[WORDS];
    make_offsets(words, 0x031000f0);
    cr_expect_eq(init(&layout, words, 0x031000f0), PYTHON_LAYOUT_TOO_NEW);
    cr_expect_eq(init(&layout, words, 0x030700f0), PYTHON_LAYOUT_TOO_OLD);
    cr_expect_eq(init(&layout, words, 0x020712f0), PYTHON_LAYOUT_TOO_OLD);
    cr_expect_eq(init(&layout, words, 0x030f00a5), PYTHON_LAYOUT_PRERELEASE);
    cr_expect_eq(init(&layout, words, 0x030d00f0), PYTHON_LAYOUT_NO_COOKIE);
}

Test(python_layout, offsets_that_contradict_themselves_are_refused)
{
    /* Each of these words of 3.13 names a field; none may lie outside its struct. */
    for (size_t word = 4; word < 71; word++) {
        uint64_t words[WORDS];
        uint64_t good[WORDS];
        struct python_layout layout;
        make_offsets(good, 0x030d00f0);
        make_offsets(words, 0x030d00f0);
        words[word] = UINT64_MAX - 3;
        enum python_layout_result result = init(&layout, words, 0x030d00f0);
        static const uint8_t used[] = {4,  5,  7,  8,  9,  10, 11, 14, 21, 22, 23, 24, 25,
                                       26, 27, 29, 30, 31, 32, 33, 35, 36, 37, 38, 39, 43,
                                       45, 47, 51, 57, 58, 63, 65, 66, 68, 69, 70};
        if (memchr(used, (int)word, sizeof(used)))
            cr_expect_eq(result, PYTHON_LAYOUT_IMPLAUSIBLE, "word %zu", word);
    }
    uint64_t words[WORDS];
    struct python_layout layout;
    make_offsets(words, 0x030d00f0);
    cr_expect_eq(python_layout_init(&layout, 0x030d00f0, (const uint8_t *)words, 100),
                 PYTHON_LAYOUT_IMPLAUSIBLE);
}

Test(python_layout, a_free_threaded_build_says_so)
{
    uint64_t words[WORDS];
    struct python_layout layout;
    make_offsets(words, 0x030e00f0);
    words[2] = 1;
    cr_assert_eq(init(&layout, words, 0x030e00f0), PYTHON_LAYOUT_OK);
    cr_expect(layout.is_free_threaded);
    cr_expect_eq(layout.unicode_kind_shift, 8);
    words[38] = 0; /* frame.tlbc_index: absent */
    cr_assert_eq(init(&layout, words, 0x030e00f0), PYTHON_LAYOUT_OK);
    cr_expect_eq(layout.frame_tlbc_index, PYTHON_NO_FIELD);
}
