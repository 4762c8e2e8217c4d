#include <string.h>

#include "backend/query/timeline.h"
#include "small_profile.h"

static const struct query_filter everything = {0};
static const struct timeline_options plain = {0};

static struct flame build(const struct profile *p, const struct query_filter *filter,
                          const struct timeline_options *options)
{
    struct flame f;
    struct error err = {0};
    cr_assert_eq(timeline_build(&f, p, NULL, filter, options, &err), STATUS_OK, "%s", err.text);
    return f;
}

/* Samples of "wall": each stands for `lasts` from its time on. */
static void take(struct profile *p, const char *frames, uint64_t at, int64_t lasts, uint32_t thread)
{
    small_sample_at(p, frames, lasts, at, thread, 0);
    if (p->duration_ns < at + (uint64_t)lasts)
        p->duration_ns = at + (uint64_t)lasts;
}

static size_t in_row(const struct flame *f, size_t row)
{
    cr_assert_lt(row, f->rows_len);
    return f->row_start[row + 1] - f->row_start[row];
}

static void expect(const struct flame *f, const struct profile *p, size_t row, size_t at,
                   const char *name, double begin, double end)
{
    size_t i = f->row_start[row] + at;
    cr_assert_lt(at, in_row(f, row));
    cr_assert_str_eq(strtab_text(&p->tables.strings, p->tables.functions[f->function[i]].name),
                     name);
    cr_assert_float_eq(f->x0[i] * f->scale + f->from_s * 1e9, begin, 0, "%s begins", name);
    cr_assert_float_eq(f->x1[i] * f->scale + f->from_s * 1e9, end, 0, "%s ends", name);
}

Test(timeline, equal_stacks_beside_each_other_are_one_box)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    take(p, "main;work", 0, 10000, 0);
    take(p, "main;work", 10000, 12000, 0);
    take(p, "main;rest", 22000, 10000, 0);
    take(p, "main;work", 32000, 10000, 0);
    struct flame f = build(p, &everything, &plain);
    cr_assert_eq(f.rows_len, 3, "the lane itself, main, and what it calls");
    expect(&f, p, 1, 0, "main", 0, 42000);
    cr_assert_eq(in_row(&f, 2), 3);
    expect(&f, p, 2, 0, "work", 0, 22000);
    expect(&f, p, 2, 1, "rest", 22000, 32000);
    expect(&f, p, 2, 2, "work", 32000, 42000);
    cr_assert_eq(f.samples, 4);
    cr_assert_eq(f.in_time->lanes[0].covered_ns, 42000);
    flame_free(&f);
    profile_free(p);
}

Test(timeline, what_was_not_sampled_is_a_gap)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    take(p, "main", 0, 10000, 0);
    take(p, "main", 50000, 10000, 0);
    struct flame f = build(p, &everything, &plain);
    cr_assert_eq(in_row(&f, 0), 2);
    expect(&f, p, 1, 0, "main", 0, 10000);
    expect(&f, p, 1, 1, "main", 50000, 60000);
    cr_assert_eq(f.in_time->lanes[0].covered_ns, 20000);
    flame_free(&f);
    profile_free(p);
}

Test(timeline, each_thread_has_a_lane)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    uint32_t other = 0;
    struct model_thread t = {.tid = 77};
    for (int i = 0; i < 2; i++, t.tid++)
        cr_assert_eq(tables_thread(&p->tables, &t, &other), STATUS_OK);
    take(p, "main;a", 0, 10000, 0);
    take(p, "loop", 0, 10000, other);
    take(p, "main;b", 10000, 10000, 0);
    take(p, "loop", 10000, 10000, other);
    struct flame f = build(p, &everything, &plain);
    cr_assert_eq(f.in_time->lanes_len, 2);
    cr_assert_eq(f.in_time->lanes[0].rows, 3);
    cr_assert_eq(f.in_time->lanes[1].rows, 2);
    cr_assert_eq(f.in_time->lanes[1].thread, other);
    expect(&f, p, 4, 0, "loop", 0, 20000);
    flame_free(&f);
    profile_free(p);
}

Test(timeline, boxes_under_a_pixel_share_one_and_say_so)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    for (uint64_t i = 0; i < 10000; i++)
        take(p, i % 3 ? "main;a" : "main;b", i * 1000, 1000, 0);
    struct flame f = build(p, &everything, &(struct timeline_options){.pixels = 100});
    cr_assert_eq(in_row(&f, 1), 1, "main is one box, however short what it calls");
    cr_assert_leq(in_row(&f, 2), 200);
    cr_assert_geq(in_row(&f, 2), 100);
    size_t mixed = 0;
    for (size_t i = f.row_start[2]; i < f.row_start[3]; i++)
        mixed += f.flags[i] == FLAME_MIXED;
    cr_assert_geq(mixed, 100);
    flame_free(&f);

    struct query_filter window = {
        .has_from = true, .from_ns = 5000000, .has_to = true, .to_ns = 5030000};
    f = build(p, &window, &(struct timeline_options){.pixels = 100});
    cr_assert_eq(in_row(&f, 2), 21, "closer by they are what they were");
    cr_assert_eq(f.flags[f.row_start[2]], 0);
    flame_free(&f);
    profile_free(p);
}

Test(timeline, samples_that_do_not_say_how_long_end_with_the_next)
{
    struct profile *p = small_new("heap", "allocated", "bytes");
    p->rate_hz = 1e5; /* 10 us apart: at most 20 us are taken for sure */
    small_sample_at(p, "main;a", 5, 0, 0, 0);
    small_sample_at(p, "main;b", 5, 10000, 0, 0);
    small_sample_at(p, "main;b", 5, 90000, 0, 0);
    p->duration_ns = 200000;
    struct flame f = build(p, &everything, &plain);
    cr_assert_geq(f.in_time->assumed_ns, 20000);
    expect(&f, p, 2, 0, "a", 0, 10000);
    cr_assert_eq(in_row(&f, 0), 2, "a gap after the second");
    flame_free(&f);
    profile_free(p);
}

Test(timeline, a_profile_without_times_is_refused)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    small_sample(p, "main", 5);
    struct flame f;
    struct error err = {0};
    cr_assert_eq(timeline_build(&f, p, NULL, &everything, &plain, &err), STATUS_UNSUPPORTED);
    profile_free(p);
}
