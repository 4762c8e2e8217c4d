#include <criterion/criterion.h>
#include <string.h>

#include "collector/python/debugger.h"

enum { WORDS = 95, GROUP = 89 };

static uint64_t words[128];

/* As CPython 3.14.0 lays them out. */
static void setup(void)
{
    memcpy(words, "xdebugpy", 8);
    words[1] = 0x030e00f0;
    words[6] = 600000; /* PyInterpreterState */
    words[10] = 7232;  /* threads.main */
    words[22] = 1000;  /* PyThreadState */
    words[GROUP] = 24;
    words[GROUP + 1] = 400;
    words[GROUP + 2] = 9000;
    words[GROUP + 3] = 0;
    words[GROUP + 4] = 4;
    words[GROUP + 5] = 512;
}

TestSuite(debugger, .init = setup);

static bool init(struct python_debugger *d, size_t len)
{
    return python_debugger_init(d, (const uint8_t *)words, len);
}

Test(debugger, says_where_a_script_is_taken)
{
    struct python_debugger d;
    cr_assert(init(&d, sizeof(words)));
    cr_expect_eq(d.interp_main_thread, 7232);
    cr_expect_eq(d.interp_enabled, 9000);
    cr_expect_eq(d.tstate_breaker, 24);
    cr_expect_eq(d.tstate_pending, 400);
    cr_expect_eq(d.tstate_script, 404);
    cr_expect_eq(d.script_bytes, 512);
}

Test(debugger, an_older_or_unknown_version_cannot_be_asked)
{
    struct python_debugger d;
    words[1] = 0x030d00f0;
    cr_expect_not(init(&d, sizeof(words)));
    words[1] = 0x031000f0;
    cr_expect_not(init(&d, sizeof(words)));
    words[1] = 0x030e00f0;
    cr_expect_not(init(&d, WORDS * 8 - 1), "cut off");
    words[0] = 0;
    cr_expect_not(init(&d, sizeof(words)), "no cookie");
}

Test(debugger, nothing_is_written_where_it_cannot_belong)
{
    static const struct {
        size_t word;
        uint64_t value;
    } wrong[] = {{GROUP, 0},         {GROUP, 993},
                 {GROUP + 1, 0},     {GROUP + 1, 600},
                 {GROUP + 2, 0},     {GROUP + 2, 600000},
                 {GROUP + 3, 8},     {GROUP + 4, 12},
                 {GROUP + 5, 4096},  {10, 0},
                 {10, 599999},       {22, UINT64_MAX},
                 {6, UINT64_MAX / 2}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct python_debugger d;
        setup();
        words[wrong[i].word] = wrong[i].value;
        cr_expect_not(init(&d, sizeof(words)), "word %zu as %lu", wrong[i].word,
                      (unsigned long)wrong[i].value);
    }
}
