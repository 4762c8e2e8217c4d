#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/procstat/readings.h"

Test(procstat_readings, statm_gives_the_resident_pages)
{
    uint64_t rss;
    cr_expect(readings_parse_statm("2310 412 300 7 0 110 0\n", 4096, &rss));
    cr_expect_eq(rss, 412 * 4096);
    cr_expect_not(readings_parse_statm("", 4096, &rss));
    cr_expect_not(readings_parse_statm("12", 4096, &rss));
}

Test(procstat_readings, stat_is_read_behind_a_hostile_name)
{
    uint64_t ticks;
    uint64_t threads;
    const char *text =
        "42 (a) 1 (b) R) S 1 42 42 0 -1 4194560 100 0 0 0 17 5 0 0 20 0 9 0 777 1 2\n";
    cr_expect(readings_parse_stat(text, &ticks, &threads));
    cr_expect_eq(ticks, 22);
    cr_expect_eq(threads, 9);
    cr_expect_not(readings_parse_stat("42 (a", &ticks, &threads));
    cr_expect_not(readings_parse_stat("42 (a) S 1 2", &ticks, &threads));
}

Test(procstat_readings, smaps_sums_what_nobody_else_uses)
{
    struct readings_detail d;
    const char *text = "55d0-7ffe ---p 00000000 00:00 0 [rollup]\n"
                       "Rss:                9000 kB\nPss:                4000 kB\nPss_Dirty: 1 kB\n"
                       "Private_Clean:       100 kB\nPrivate_Dirty:      2000 kB\n"
                       "Swap:                 30 kB\nSwapPss:              7 kB\n";
    cr_expect(readings_parse_smaps(text, &d));
    cr_expect_eq(d.pss_bytes, 4000 * 1024);
    cr_expect_eq(d.uss_bytes, 2100 * 1024);
    cr_expect_eq(d.swap_bytes, 30 * 1024);
    cr_expect_not(readings_parse_smaps("", &d));
}

Test(procstat_readings, this_very_process_grows_when_it_takes_memory)
{
    struct readings r;
    enum { SIZE = 64 << 20 };
    cr_assert(readings_open(&r, getpid()));
    cr_assert(readings_basic(&r, 1000));
    uint64_t before = r.basic.rss_bytes;
    char *block = malloc(SIZE);
    cr_assert_not_null(block);
    memset(block, 1, SIZE);
    cr_expect(readings_basic(&r, 1000000000));
    cr_expect_gt(r.basic.rss_bytes, before + SIZE / 2);
    cr_expect_geq(r.basic.threads, 1);
    struct readings_detail d;
    if (readings_detail(&r, &d)) /* a kernel without smaps_rollup has none */
        cr_expect_gt(d.uss_bytes, SIZE / 2);
    free(block);
    readings_close(&r);
}

Test(procstat_readings, a_process_that_never_was_cannot_be_opened)
{
    struct readings r;
    cr_expect_not(readings_open(&r, 1 << 30));
}

/* What a shim does (pyenv's python is a shell that ends in exec). */
Test(procstat_readings, a_process_is_still_read_in_detail_after_exec)
{
    int pipes[2];
    char byte;
    struct readings r;
    struct readings_detail d;
    cr_assert_eq(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        cr_assert_eq(read(pipes[0], &byte, 1), 1);
        close(pipes[0]);
        close(pipes[1]);
        execl("/bin/sleep", "sleep", "60", (char *)NULL);
        _exit(1);
    }
    cr_assert(readings_open(&r, child));
    bool is_told = readings_detail(&r, &d);
    uint64_t before = d.pss_bytes;
    cr_assert_eq(write(pipes[1], "x", 1), 1);
    close(pipes[1]);
    for (int tries = 0; is_told && tries < 1000; tries++) {
        if (readings_detail(&r, &d) && d.pss_bytes != before)
            break;
        usleep(10000);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    readings_close(&r);
    if (is_told) /* a kernel without smaps_rollup has none */
        cr_expect_neq(d.pss_bytes, before);
    close(pipes[0]);
}
