#include <criterion/criterion.h>

#include "tests/unit/formats/profile_sums.h"

static struct error err;

Test(collapsed, shares_the_stacks_of_lines_that_begin_alike)
{
    struct profile *p = load_text("a;b;c 1\na;b;d 2\na;b 3\na;b;c 4\n", &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(p->tables.stacks_len, 1 + 4);
    cr_assert_eq(p->sets[0].len, 3);
    cr_assert_eq(total_of(p, 0, 0), 10);
    profile_free(p);
}

Test(collapsed, keeps_fractions_in_thousandths_and_says_so)
{
    struct profile *p = load_text("a;b 1\na;c 2.5\n", &err);
    cr_assert(p, "%s", err.text);
    cr_assert_str_eq(text_at(p, p->sets[0].types[0].unit), "count/1000");
    cr_assert_eq(total_of(p, 0, 0), 3500);
    profile_free(p);
}

Test(collapsed, takes_a_frame_of_pyspy_apart)
{
    struct profile *p = load_text("main (app.py:3);leaf (my (x)/lib.py:9) 2\n", &err);
    cr_assert(p, "%s", err.text);
    const struct wire_frame *leaf = &p->tables.frames[p->tables.stacks[2].frame];
    cr_assert_eq(leaf->line, 9);
    cr_assert_str_eq(text_at(p, p->tables.functions[leaf->function].file), "my (x)/lib.py");
    profile_free(p);
}

Test(collapsed, refuses_prose_and_negative_counts)
{
    cr_assert_null(load_text("Some words.\nIt ends in 3\n", &err));
    cr_assert_null(load_text("a;b 1\na;c -2\n", &err));
    cr_assert(strstr(err.text, "line 2"), "%s", err.text);
}

Test(austin, counts_time_by_thread_and_marks_collections)
{
    struct profile *p = load_text("# austin: 3.7.0\n# mode: wall\nP1;T0:2;a.py:f:3 5\n"
                                  "P1;T0:3;a.py:f:3;:GC: 7\n",
                                  &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(p->tables.threads_len, 2);
    cr_assert_eq(total_of(p, 0, 0), 12000);
    cr_assert(p->sets[0].state[0] & WIRE_IN_GC || p->sets[0].state[1] & WIRE_IN_GC);
    profile_free(p);
}

Test(mprof, keeps_bytes_and_times_exactly)
{
    struct profile *p = load_text("MEM 1.5 1700000000.2500\nMEM 0.5 1700000000.7501\n", &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(p->start_unix_ns, 1700000000250000000ULL);
    cr_assert_eq(p->series[0].time_ns[1], 500100000ULL);
    cr_assert_eq(p->series[0].value[0], 1572864.0);
    profile_free(p);
}

Test(perf, keeps_events_apart)
{
    struct profile *p = load_text("a b 7/8 [000] 1.000000: 10 cycles:u: \n\t12 f+0x1 (/x)\n\n"
                                  "a b 7/8 [000] 1.500000: 3 faults: \n\t12 f+0x1 (/x)\n\n",
                                  &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(p->sets_len, 2);
    cr_assert_str_eq(text_at(p, p->sets[0].name), "cycles");
    cr_assert_eq(total_of(p, 1, 0), 3);
    cr_assert_str_eq(text_at(p, p->tables.threads[0].name), "a b");
    profile_free(p);
}

Test(callgrind, tells_own_cost_from_that_of_calls)
{
    struct profile *p = load_text("events: Ir\nfn=(1) main\n1 10\ncfn=(2) leaf\ncalls=3 5\n1 90\n"
                                  "fn=(2)\n5 90\n",
                                  &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(p->call_graph.rows[0].self, 10.0);
    cr_assert_eq(p->call_graph.rows[0].total, 100.0);
    cr_assert_eq(p->call_graph.rows[1].calls, 3);
    profile_free(p);
}

Test(utf16, is_read_as_text)
{
    static const char text[] = "\xff\xfe"
                               "a\0;\0b\0 \0"
                               "1\0\n";
    struct profile *p = load(text, sizeof(text), &err);
    cr_assert(p, "%s", err.text);
    cr_assert_eq(total_of(p, 0, 0), 1);
    profile_free(p);
}
