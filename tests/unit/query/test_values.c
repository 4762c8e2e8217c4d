#include "backend/query/values.h"
#include "tests/unit/query/small_profile.h"

/* A second of two threads at 100 Hz: the first has work in `busy` of its 100 samples, the second
 * only waits. The machine is busy too: the work gets a quarter of a CPU. */
static struct profile *watched(int64_t busy)
{
    struct profile *p = small_new("cpu", "wall", "ns");
    uint32_t cpu = 0;
    uint32_t gil = 0;
    cr_assert_eq(profile_add_value_type(p, 0, "cpu", "ns", &cpu), STATUS_OK);
    cr_assert_eq(profile_add_value_type(p, 0, "gil", "ns", &gil), STATUS_OK);
    uint32_t stack = small_stack(p, "main;work");
    for (int64_t i = 0; i < 100; i++) {
        int64_t work[] = {10000000, 2500000, 0};
        int64_t idle[] = {10000000, 0, 0};
        struct profile_sample sample = {.time_ns = (uint64_t)i * 10000000, .stack = stack};
        sample.values = i < busy ? work : idle;
        sample.state = i < busy ? WIRE_ON_CPU : 0;
        cr_assert_eq(profile_add_sample(p, 0, &sample), STATUS_OK);
        sample.values = idle;
        sample.state = 0;
        cr_assert_eq(profile_add_sample(p, 0, &sample), STATUS_OK);
    }
    return p;
}

static const char *default_of(const struct profile *p)
{
    static char key[32];
    struct query_values values;
    cr_assert_eq(query_values_list(p, &values), STATUS_OK);
    cr_assert_geq(values.len, 2);
    snprintf(key, sizeof(key), "%s", values.items[0].key);
    query_values_free(&values);
    return key;
}

Test(values, shows_a_busy_program_by_its_cpu_time)
{
    struct profile *p = watched(90);
    cr_assert_str_eq(default_of(p), "cpu");
    profile_free(p);
}

Test(values, shows_a_waiting_program_by_the_wall_clock)
{
    struct profile *p = watched(10);
    cr_assert_str_eq(default_of(p), "wall");
    profile_free(p);
}

Test(values, shows_first_what_was_asked_for)
{
    struct profile *p = watched(10);
    p->mode = small_string(p, "cpu");
    cr_expect_str_eq(default_of(p), "cpu");
    p->mode = small_string(p, "gil");
    cr_expect_str_eq(default_of(p), "wall", "nobody had it");
    struct query_value value;
    cr_expect_eq(query_value_find(p, "gil", &value, NULL), STATUS_NOT_FOUND);
    struct profile_sample sample = {.stack = small_stack(p, "main"), .state = WIRE_HAS_GIL};
    sample.values = (int64_t[]){10, 5, 10};
    cr_assert_eq(profile_add_sample(p, 0, &sample), STATUS_OK);
    cr_expect_str_eq(default_of(p), "gil");
    profile_free(p);
}

Test(values, does_not_offer_when_freed_blocks_were_born)
{
    struct profile *p = small_new("heap", "allocated", "bytes");
    uint32_t born = 0;
    cr_assert_eq(profile_add_value_type(p, 0, "born", "ns", &born), STATUS_OK);
    struct query_values values;
    cr_assert_eq(query_values_list(p, &values), STATUS_OK);
    cr_assert_eq(values.len, 1);
    cr_assert_str_eq(values.items[0].key, "allocated");
    query_values_free(&values);
    profile_free(p);
}
