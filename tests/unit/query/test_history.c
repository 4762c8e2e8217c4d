#include "backend/query/history.h"
#include "small_profile.h"

static struct profile *run_of(const char *host, uint64_t day, double mean, double stddev)
{
    struct profile *p = NULL;
    cr_assert_eq(profile_new(&p), STATUS_OK);
    p->host = small_string(p, host);
    p->start_unix_ns = day * 86400 * 1000000000ULL;
    struct model_benchmark b = {.name = small_string(p, "test_login"),
                                .mean_s = mean,
                                .median_s = mean,
                                .stddev_s = stddev,
                                .min_s = mean / 2,
                                .rounds = 30};
    cr_assert_eq(profile_add_benchmark(p, &b, NULL, 0), STATUS_OK);
    return p;
}

static void add(struct history *h, const char *host, uint64_t day, double mean, double stddev)
{
    struct profile *p = run_of(host, day, mean, stddev);
    cr_assert_eq(history_add(h, p, "id", "name"), STATUS_OK);
    profile_free(p);
}

static struct buf told;

static const char *text_of_history(struct history *h)
{
    cr_assert_eq(history_finish(h), STATUS_OK);
    buf_init(&told, 0);
    cr_assert_eq(history_write_text(h, &told), STATUS_OK);
    buf_put_byte(&told, 0);
    return (const char *)told.data;
}

static void done(struct history *h)
{
    buf_deinit(&told);
    history_free(h);
}

static struct history *fresh(void)
{
    struct history *h = NULL;
    cr_assert_eq(history_new(&h), STATUS_OK);
    return h;
}

Test(history, marks_what_got_slower_in_order_of_time)
{
    struct history *h = fresh();
    add(h, "ci", 3, 0.2, 0.004); /* added first, ran last */
    add(h, "ci", 1, 0.1, 0.002);
    add(h, "ci", 2, 0.1, 0.002);
    const char *text = text_of_history(h);
    cr_assert_eq(history_regressions(h), 1);
    cr_assert(strstr(text, "3 runs, 1 benchmarks, 1 slower"));
    cr_assert(strstr(text, "!  1970-01-04 00:00"), "%s", text);
    cr_assert(strstr(text, "+100.0 %  slower"));
    done(h);
}

Test(history, noise_and_old_news_are_no_regression)
{
    struct history *h = fresh();
    add(h, "noisy", 1, 0.1, 0.1);
    add(h, "noisy", 2, 0.11, 0.1); /* 10 % of a number that varies by all of itself */
    add(h, "ci", 1, 0.1, 0.001);
    add(h, "ci", 2, 0.2, 0.001);
    add(h, "ci", 3, 0.2, 0.001); /* slower since the run before */
    text_of_history(h);
    cr_assert_eq(history_regressions(h), 0);
    cr_assert(strstr((const char *)told.data, "slower\n"), "the old one stays marked");
    done(h);
}

Test(history, machines_are_not_compared_with_each_other)
{
    struct history *h = fresh();
    add(h, "fast", 1, 0.1, 0.001);
    add(h, "slow", 2, 0.9, 0.001);
    const char *text = text_of_history(h);
    cr_assert_eq(history_regressions(h), 0);
    cr_assert_null(strstr(text, "%  "));
    cr_assert(strstr(text, "test_login  [fast]"));
    cr_assert(strstr(text, "test_login  [slow]"));
    done(h);
}

Test(history, what_has_no_benchmarks_is_no_run)
{
    struct history *h = fresh();
    struct profile *p = small_new("folded", "samples", "samples");
    cr_assert_eq(history_add(h, p, "id", "name"), STATUS_OK);
    cr_assert_eq(history_runs(h), 0);
    profile_free(p);
    text_of_history(h);
    done(h);
}
