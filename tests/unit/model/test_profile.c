#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "backend/model/profile.h"

static struct profile *p;

static void setup(void)
{
    cr_assert_eq(profile_new(&p), STATUS_OK);
}

static void teardown(void)
{
    profile_free(p);
}

TestSuite(profile, .init = setup, .fini = teardown);

static uint32_t set_of(const char *value, const char *unit)
{
    uint32_t set;
    uint32_t column;
    cr_assert_eq(profile_add_set(p, "cpu", 0, &set), STATUS_OK);
    cr_assert_eq(profile_add_value_type(p, set, value, unit, &column), STATUS_OK);
    cr_assert_eq(column, 0);
    return set;
}

static void add(uint32_t set, uint64_t time_ns, uint32_t stack, int64_t value)
{
    struct profile_sample sample = {.time_ns = time_ns, .stack = stack, .values = &value};
    cr_assert_eq(profile_add_sample(p, set, &sample), STATUS_OK);
}

static uint32_t some_stack(void)
{
    uint32_t id;
    cr_assert_eq(tables_stack(&p->tables, 0, 0, &id), STATUS_OK);
    return id;
}

Test(profile, columns_exist_only_where_rows_need_them)
{
    uint32_t set = set_of("wall", "ns");
    for (int i = 0; i < 100; i++)
        add(set, UINT64_MAX, 0, 10000000);
    const struct sample_set *s = &p->sets[set];
    cr_assert_eq(s->len, 100);
    cr_assert_not(s->has_time);
    cr_assert_null(s->thread);
    cr_assert_null(s->stack);
    cr_assert_null(s->state);
    cr_assert_null(s->values[0].value);
    cr_assert_eq(s->values[0].constant, 10000000);
}

Test(profile, a_value_that_differs_makes_a_column_of_all)
{
    uint32_t set = set_of("wall", "ns");
    uint32_t stack = some_stack();
    for (int i = 0; i < 70; i++)
        add(set, (uint64_t)i, i == 69 ? stack : 0, i == 69 ? -1 : 5);
    const struct sample_set *s = &p->sets[set];
    cr_assert(s->values[0].value);
    cr_assert_eq(s->values[0].value[0], 5);
    cr_assert_eq(s->values[0].value[68], 5);
    cr_assert_eq(s->values[0].value[69], -1);
    cr_assert_eq(s->stack[0], 0);
    cr_assert_eq(s->stack[69], stack);
    cr_assert_eq(p->duration_ns, 69);
}

Test(profile, finish_puts_samples_in_order_of_time_and_keeps_equal_ones)
{
    uint32_t set = set_of("bytes", "bytes");
    const uint64_t times[] = {30, 10, 20, 10, 30, 0};
    for (int i = 0; i < 6; i++)
        add(set, times[i], 0, i);
    cr_assert_eq(profile_finish(p), STATUS_OK);
    const struct sample_set *s = &p->sets[set];
    const uint64_t sorted[] = {0, 10, 10, 20, 30, 30};
    const int64_t values[] = {5, 1, 3, 2, 0, 4};
    cr_assert_eq(memcmp(s->time_ns, sorted, sizeof(sorted)), 0);
    cr_assert_eq(memcmp(s->values[0].value, values, sizeof(values)), 0);
    cr_assert_eq(s->cap, s->len);
    add(set, 40, 0, 9);
    cr_assert_eq(p->sets[set].values[0].value[6], 9);
}

Test(profile, finish_puts_points_in_order_of_time)
{
    uint32_t series;
    cr_assert_eq(profile_add_series(p, "rss", "bytes", NULL, &series), STATUS_OK);
    cr_assert_eq(profile_add_point(p, series, 20, 2), STATUS_OK);
    cr_assert_eq(profile_add_point(p, series, 10, 1), STATUS_OK);
    cr_assert_eq(profile_add_point(p, series, 20, 3), STATUS_OK);
    cr_assert_eq(profile_finish(p), STATUS_OK);
    const double values[] = {1, 2, 3};
    cr_assert_eq(memcmp(p->series[series].value, values, sizeof(values)), 0);
    cr_assert_eq(p->series[series].time_ns[0], 10);
    cr_assert_eq(p->duration_ns, 20);
}

Test(profile, a_sample_without_time_takes_the_time_before_it)
{
    uint32_t set = set_of("wall", "ns");
    add(set, 50, 0, 1);
    add(set, UINT64_MAX, 0, 1);
    cr_assert_eq(p->sets[set].time_ns[1], 50);
}

Test(profile, indices_that_do_not_exist_are_refused)
{
    uint32_t set = set_of("wall", "ns");
    int64_t value = 1;
    const struct profile_sample bad[] = {
        {.stack = 1, .values = &value},
        {.label_set = 1, .values = &value},
        {.thread = 1, .values = &value},
        {.state = 256, .values = &value},
        {.time_ns = UINT64_MAX - 1, .values = &value},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(profile_add_sample(p, set, &bad[i]), STATUS_INVALID, "sample %zu", i);
    cr_assert_eq(profile_add_sample(p, set + 1, &bad[0]), STATUS_INVALID);
    cr_assert_eq(p->sets[set].len, 0);
    cr_assert_eq(profile_add_point(p, 0, 1, 1), STATUS_INVALID);
    uint32_t index;
    cr_assert_eq(profile_add_call_row(p, &(struct call_row){.function = 1}, &index),
                 STATUS_INVALID);
    cr_assert_eq(profile_add_call_edge(p, &(struct call_edge){0}), STATUS_INVALID);
    cr_assert_eq(profile_add_line(p, &(struct line_row){.function = 1}), STATUS_INVALID);
    cr_assert_eq(profile_add_span(p, &(struct model_span){.name = 99}), STATUS_INVALID);
    cr_assert_eq(profile_add_source(p, 99, 0), STATUS_INVALID);
}

Test(profile, a_span_with_an_end_closes_the_open_one)
{
    struct model_span open = {.begin_ns = 5, .thread = 0};
    struct model_span other = {.begin_ns = 6};
    cr_assert_eq(profile_add_span(p, &open), STATUS_OK);
    cr_assert_eq(profile_add_span(p, &other), STATUS_OK);
    open.end_ns = 9;
    cr_assert_eq(profile_add_span(p, &open), STATUS_OK);
    cr_assert_eq(p->spans_len, 2);
    cr_assert_eq(p->spans[0].end_ns, 9);
    cr_assert_eq(p->spans[1].end_ns, 0);
    cr_assert_eq(profile_add_span(p, &open), STATUS_OK);
    cr_assert_eq(p->spans_len, 3, "what is closed stays as it is");
}

Test(profile, warnings_beyond_the_limit_are_counted)
{
    for (int i = 0; i < PROFILE_MAX_NOTICES + 5; i++)
        cr_assert_eq(profile_add_warning(p, "bad_line", "line %d", i), STATUS_OK);
    cr_assert_eq(p->notices_len, PROFILE_MAX_NOTICES);
    const struct model_counter *dropped = profile_find_counter(p, "notices_dropped", 15);
    cr_assert(dropped);
    cr_assert_eq(dropped->value, 5);
    cr_assert_str_eq(strtab_text(&p->tables.strings, p->notices[3].text), "line 3");
    cr_assert_eq(p->notices[3].severity, 1);
}

Test(profile, a_counter_is_set_not_added)
{
    cr_assert_eq(profile_set_counter(p, "samples", 3), STATUS_OK);
    cr_assert_eq(profile_set_counter(p, "samples", 4), STATUS_OK);
    cr_assert_eq(p->counters_len, 1);
    cr_assert_eq(p->counters[0].value, 4);
}

Test(profile, its_size_grows_with_what_it_holds)
{
    size_t before = profile_size(p);
    uint32_t set = set_of("wall", "ns");
    for (int i = 0; i < 1000; i++)
        add(set, (uint64_t)i, 0, i);
    size_t after = profile_size(p);
    cr_assert_geq(after, before + 1000 * (sizeof(uint64_t) + sizeof(int64_t)));
    cr_assert_eq(profile_finish(p), STATUS_OK);
    cr_assert_lt(profile_size(p), after);
}
