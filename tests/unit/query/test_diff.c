#include "backend/query/diff.h"
#include "backend/query/diff_flame.h"
#include "backend/query/diff_stats.h"
#include "common/base/json_out.h"
#include "small_profile.h"

static struct diff compare(const struct profile *a, const struct profile *b,
                           enum diff_normalise normalise)
{
    struct diff d;
    struct error err = {0};
    struct diff_options options = {.normalise = normalise};
    cr_assert_eq(diff_build(&d, a, NULL, b, NULL, &options, &err), STATUS_OK, "%s", err.text);
    return d;
}

static const char *name_of(const struct diff *d, const struct diff_row *r)
{
    uint32_t function;
    const struct profile *p = diff_row_who(d, r, &function);
    return strtab_text(&p->tables.strings, p->tables.functions[function].name);
}

static const struct diff_row *row(const struct diff *d, const char *name)
{
    for (size_t i = 0; i < d->len; i++) {
        if (strcmp(name_of(d, &d->rows[i]), name) == 0)
            return &d->rows[i];
    }
    cr_assert_fail("no row %s", name);
    return NULL;
}

static uint32_t placed_function(struct profile *p, const char *file, const char *module,
                                const char *name, uint32_t line)
{
    struct wire_function f = {.name = small_string(p, name),
                              .file = small_string(p, file),
                              .module = small_string(p, module),
                              .line = line};
    uint32_t id = 0;
    cr_assert_eq(tables_function(&p->tables, &f, &id), STATUS_OK);
    return id;
}

static void placed_call(struct profile *p, const char *file, const char *module, const char *name,
                        uint32_t line, double self)
{
    struct call_row r = {.function = placed_function(p, file, module, name, line),
                         .calls = 1,
                         .primitive_calls = 1,
                         .self = self,
                         .total = self};
    uint32_t index;
    cr_assert_eq(profile_add_call_row(p, &r, &index), STATUS_OK);
}

static struct profile *folded(int64_t leaf, int64_t rest)
{
    struct profile *p = small_new("folded", "samples", "samples");
    small_sample(p, "main;work;leaf", leaf);
    small_sample(p, "main;rest", rest);
    return p;
}

static void done(struct diff *d, struct profile *a, struct profile *b)
{
    diff_free(d);
    profile_free(a);
    profile_free(b);
}

/* ---- statistics ---- */

Test(diff_stats, the_incomplete_beta_agrees_with_closed_forms)
{
    cr_assert_float_eq(diff_beta(1, 1, 0.3), 0.3, 1e-14);
    cr_assert_float_eq(diff_beta(2, 1, 0.3), 0.09, 1e-14);
    cr_assert_float_eq(diff_beta(1, 3, 0.3), 1 - 0.7 * 0.7 * 0.7, 1e-14);
    /* I_1/2(a, a) is a half, also where the series is long. */
    cr_assert_float_eq(diff_beta(50000, 50000, 0.5), 0.5, 1e-9);
}

Test(diff_stats, counts_are_tested_exactly)
{
    /* 0 against 10: twice 2^-10. */
    cr_assert_float_eq(diff_poisson(0, 10, 1, 1), 2.0 / 1024, 1e-14);
    cr_assert_float_eq(diff_poisson(10, 0, 1, 1), 2.0 / 1024, 1e-14);
    cr_assert_eq(diff_poisson(7, 7, 1, 1), 1);
    cr_assert_eq(diff_poisson(0, 0, 1, 1), 1);
    /* Half the rate, twice the time a sample: nothing changed. */
    cr_assert_gt(diff_poisson(1000, 500, 1, 2), 0.9);
    cr_assert_lt(diff_poisson(1000, 500, 1, 1), 1e-20);
}

Test(diff_stats, shares_are_tested_against_the_pooled_share)
{
    /* z = 0.1 / sqrt(0.45 * 0.55 * 2 / 100) = 1.4213 */
    cr_assert_float_eq(diff_proportions(40, 100, 50, 100), 0.15522, 1e-4);
    cr_assert_eq(diff_proportions(100, 100, 50, 50), 1);
    cr_assert_gt(diff_proportions(1, 1000, 2, 1000), 0.5);
    cr_assert_lt(diff_proportions(0, 1000, 40, 1000), 1e-8);
}

Test(diff_stats, welch_gives_the_textbook_p)
{
    /* Equal spreads and sizes: Student's t with 18 degrees, t = 2.1009 -> 5 %. */
    double p = diff_welch(0, 1, 10, 2.10092 * sqrt(0.2), 1, 10);
    cr_assert_float_eq(p, 0.05, 1e-5);
    cr_assert(isnan(diff_welch(1, 0, 10, 2, 0, 10)));
    cr_assert(isnan(diff_welch(1, 1, 1, 2, 1, 10)));
}

Test(diff_stats, the_false_discovery_rate_is_that_of_benjamini_and_hochberg)
{
    const double p[] = {0.04, 0.01, (double)NAN, 0.02, 0.5};
    double q[5];
    size_t order[5];
    diff_control(p, q, order, 5);
    cr_assert_float_eq(q[0], 0.04 * 4 / 3, 1e-12);
    cr_assert_float_eq(q[1], 0.04, 1e-12);
    cr_assert(isnan(q[2]));
    cr_assert_float_eq(q[3], 0.04, 1e-12);
    cr_assert_float_eq(q[4], 0.5, 1e-12);
}

/* ---- samples ---- */

Test(diff, noise_of_two_sampled_runs_is_no_regression)
{
    struct profile *a = folded(700, 300);
    struct profile *b = folded(720, 290);
    struct diff d = compare(a, b, DIFF_AS_IS);
    cr_assert(d.is_tested);
    cr_assert_eq(d.regressions, 0);
    cr_assert_eq(d.significant, 0);
    cr_assert_float_eq(row(&d, "leaf")->self.target, 720, 1e-12);
    done(&d, a, b);
}

Test(diff, a_slower_function_is_a_regression_and_comes_first)
{
    struct profile *a = folded(700, 300);
    struct profile *b = folded(1000, 300);
    struct diff d = compare(a, b, DIFF_AS_IS);
    cr_assert_str_eq(name_of(&d, &d.rows[0]), "leaf");
    cr_assert(d.rows[0].is_regression && d.rows[0].self.is_significant);
    cr_assert_lt(d.rows[0].self.q, 1e-6);
    cr_assert(!row(&d, "rest")->is_significant);
    cr_assert(row(&d, "work")->is_regression, "its total grew");
    done(&d, a, b);
}

Test(diff, by_total_a_longer_run_of_the_same_program_has_not_changed)
{
    struct profile *a = folded(700, 300);
    struct profile *b = folded(7000, 3000);
    struct diff d = compare(a, b, DIFF_BY_TOTAL);
    cr_assert_eq(d.significant, 0);
    cr_assert_float_eq(row(&d, "leaf")->self.target, 700, 1e-9);
    diff_free(&d);
    d = compare(a, b, DIFF_AS_IS);
    cr_assert(row(&d, "leaf")->is_regression);
    done(&d, a, b);
}

Test(diff, a_sure_but_small_change_is_significant_and_no_regression)
{
    struct profile *a = folded(1000000, 1000000);
    struct profile *b = folded(1020000, 1000000);
    struct diff d = compare(a, b, DIFF_AS_IS);
    cr_assert(row(&d, "leaf")->is_significant);
    cr_assert(!row(&d, "leaf")->is_regression);
    done(&d, a, b);
}

Test(diff, functions_come_and_go)
{
    struct profile *a = folded(700, 300);
    struct profile *b = folded(700, 300);
    small_sample(a, "main;gone", 50);
    small_sample(b, "main;come", 60);
    struct diff d = compare(a, b, DIFF_AS_IS);
    cr_assert_eq(row(&d, "gone")->state, DIFF_REMOVED);
    cr_assert_eq(row(&d, "come")->state, DIFF_ADDED);
    cr_assert(row(&d, "come")->is_regression);
    cr_assert(row(&d, "gone")->is_significant && !row(&d, "gone")->is_regression);
    cr_assert_eq(row(&d, "rest")->state, DIFF_SAME);
    done(&d, a, b);
}

Test(diff, bytes_are_not_tested_as_if_they_were_samples)
{
    struct profile *a = small_new("memory", "allocated", "bytes");
    struct profile *b = small_new("memory", "allocated", "bytes");
    small_sample(a, "main", 1000);
    small_sample(b, "main", 1200);
    struct diff d = compare(a, b, DIFF_AS_IS);
    cr_assert(!d.is_tested);
    cr_assert(isnan(row(&d, "main")->self.q));
    cr_assert(row(&d, "main")->is_regression);
    done(&d, a, b);
}

Test(diff, times_in_other_units_are_brought_to_the_bases)
{
    struct profile *a = small_new("cpu", "time", "ms");
    struct profile *b = small_new("cpu", "time", "ns");
    small_sample(a, "main", 3);
    small_sample(b, "main", 3000000);
    struct diff d = compare(a, b, DIFF_AS_IS);
    cr_assert_float_eq(row(&d, "main")->self.target, 3, 1e-9);
    done(&d, a, b);
}

Test(diff, bytes_do_not_compare_with_seconds_but_their_shares_do)
{
    struct profile *a = small_new("cpu", "time", "ns");
    struct profile *b = small_new("memory", "allocated", "bytes");
    small_sample(a, "main", 3);
    small_sample(b, "main", 3);
    struct diff d;
    struct error err = {0};
    struct diff_options options = {0};
    cr_assert_eq(diff_build(&d, a, NULL, b, NULL, &options, &err), STATUS_UNSUPPORTED);
    cr_assert(strstr(err.text, "shares"), "%s", err.text);
    d = compare(a, b, DIFF_BY_TOTAL);
    done(&d, a, b);
}

/* ---- call graphs ---- */

Test(diff, call_graphs_compare_exactly)
{
    struct profile *a = small_new(NULL, NULL, NULL);
    struct profile *b = small_new(NULL, NULL, NULL);
    small_call_row(a, "login", 10, 8, 1.25, 4.5);
    small_call_row(b, "login", 20, 16, 2.5, 9);
    struct diff d = compare(a, b, DIFF_AS_IS);
    const struct diff_row *r = row(&d, "login");
    cr_assert_eq(r->self.base, 1.25);
    cr_assert_eq(r->self.target, 2.5);
    cr_assert_eq(r->total.target, 9);
    cr_assert_eq(r->base_calls, 10);
    cr_assert_eq(r->target_calls, 20);
    cr_assert(r->is_regression && !d.is_tested);
    diff_free(&d);
    d = compare(a, b, DIFF_BY_CALLS);
    cr_assert_eq(row(&d, "login")->self.target, 0.125);
    cr_assert_eq(row(&d, "login")->total.target, 0.5625);
    cr_assert(!row(&d, "login")->is_regression, "a call takes as long as before");
    done(&d, a, b);
}

Test(diff, only_call_graphs_compare_by_call)
{
    struct profile *a = folded(1, 1);
    struct diff d;
    struct error err = {0};
    struct diff_options options = {.normalise = DIFF_BY_CALLS};
    cr_assert_eq(diff_build(&d, a, NULL, a, NULL, &options, &err), STATUS_UNSUPPORTED);
    profile_free(a);
}

/* ---- who is who ---- */

Test(diff, another_checkout_and_moved_lines_are_the_same_functions)
{
    struct profile *a = small_new(NULL, NULL, NULL);
    struct profile *b = small_new(NULL, NULL, NULL);
    placed_call(a, "/home/one/app/login.py", "", "check", 10, 1);
    placed_call(b, "/builds/two/app/login.py", "", "check", 99, 2);
    placed_call(a, "/home/one/json/__init__.py", "", "load", 1, 1);
    placed_call(b, "/builds/two/json/__init__.py", "", "load", 1, 1);
    placed_call(b, "/builds/two/pickle/__init__.py", "", "load", 1, 1);
    struct diff d = compare(a, b, DIFF_AS_IS);
    cr_assert_eq(d.len, 3);
    cr_assert_eq(row(&d, "check")->state, DIFF_CHANGED);
    done(&d, a, b);
}

Test(diff, modules_tell_files_of_one_name_apart)
{
    struct profile *a = small_new(NULL, NULL, NULL);
    struct profile *b = small_new(NULL, NULL, NULL);
    placed_call(a, "/x/shop/utils.py", "shop.utils", "go", 1, 1);
    placed_call(b, "/x/mail/utils.py", "mail.utils", "go", 1, 1);
    struct diff d = compare(a, b, DIFF_AS_IS);
    cr_assert_eq(d.len, 2);
    done(&d, a, b);
}

Test(diff, an_address_in_a_name_does_not_make_another_function)
{
    struct profile *a = small_new(NULL, NULL, NULL);
    struct profile *b = small_new(NULL, NULL, NULL);
    placed_call(a, "~", "", "<method of type object at 0x7f12ab>", 0, 1);
    placed_call(b, "~", "", "<method of type object at 0x9900>", 0, 1);
    struct diff d = compare(a, b, DIFF_AS_IS);
    cr_assert_eq(d.len, 1);
    done(&d, a, b);
}

Test(diff, functions_of_one_name_in_one_file_pair_by_place)
{
    struct profile *a = small_new(NULL, NULL, NULL);
    struct profile *b = small_new(NULL, NULL, NULL);
    placed_call(a, "/x/m.py", "", "<lambda>", 10, 1);
    placed_call(a, "/x/m.py", "", "<lambda>", 30, 3);
    placed_call(b, "/x/m.py", "", "<lambda>", 30, 3);
    struct diff d = compare(a, b, DIFF_AS_IS);
    cr_assert_eq(d.len, 2);
    for (size_t i = 0; i < d.len; i++)
        cr_assert_eq(d.rows[i].state, d.rows[i].self.base == 3 ? DIFF_SAME : DIFF_REMOVED);
    done(&d, a, b);
}

/* ---- benchmarks ---- */

static void benchmark(struct profile *p, const char *name, double mean, double stddev)
{
    struct model_benchmark b = {.name = small_string(p, name),
                                .mean_s = mean,
                                .median_s = mean,
                                .stddev_s = stddev,
                                .min_s = mean * 0.9,
                                .max_s = mean * 1.1,
                                .rounds = 30,
                                .iterations = 1};
    cr_assert_eq(profile_add_benchmark(p, &b, NULL, 0), STATUS_OK);
}

Test(diff, benchmarks_are_paired_by_name_and_slower_ones_marked)
{
    struct profile *a = small_new(NULL, NULL, NULL);
    struct profile *b = small_new(NULL, NULL, NULL);
    benchmark(a, "test_parse", 1.0, 0.02);
    benchmark(b, "test_parse", 1.2, 0.02);
    benchmark(a, "test_noisy", 1.0, 0.5);
    benchmark(b, "test_noisy", 1.1, 0.5);
    benchmark(b, "test_new", 1.0, 0.1);
    struct diff d = compare(a, b, DIFF_AS_IS);
    cr_assert_eq(d.benchmarks_len, 3);
    cr_assert_str_eq(d.benchmarks[0].name, "test_parse");
    cr_assert(d.benchmarks[0].is_regression);
    cr_assert_eq(d.regressions, 1);
    done(&d, a, b);
}

/* ---- answers ---- */

Test(diff, the_text_shows_no_control_characters_of_a_foreign_name)
{
    struct profile *a = small_new("folded", "samples", "samples");
    struct profile *b = small_new("folded", "samples", "samples");
    small_sample(a, "main", 10);
    small_sample(b, "ma\033[31min", 20);
    struct diff d = compare(a, b, DIFF_AS_IS);
    struct buf out;
    buf_init(&out, 0);
    cr_assert_eq(diff_write_text(&d, 0, &out), STATUS_OK);
    cr_assert(!memchr(out.data, '\033', out.len));
    cr_assert(memmem(out.data, out.len, "[added]", 7));
    buf_deinit(&out);
    done(&d, a, b);
}

Test(diff, keys_that_do_not_apply_are_left_out)
{
    struct profile *a = small_new(NULL, NULL, NULL);
    struct profile *b = small_new(NULL, NULL, NULL);
    small_call_row(a, "login", 10, 8, 1.25, 4.5);
    small_call_row(b, "login", 20, 16, 2.5, 9);
    struct diff d = compare(a, b, DIFF_AS_IS);
    struct buf out;
    struct json_out j;
    buf_init(&out, 0);
    json_out_init(&j, &out);
    json_out_object(&j);
    diff_write_members(&d, 0, &j);
    json_out_end(&j);
    cr_assert(!memmem(out.data, out.len, "\"q\"", 3));
    cr_assert(memmem(out.data, out.len, "\"relative\":1,", 12) ||
              memmem(out.data, out.len, "\"relative\":1}", 13));
    buf_deinit(&out);
    done(&d, a, b);
}

/* ---- the differential flame graph ---- */

/* Amounts of the box at "main;work" (from the root), as (base, target). */
struct amounts {
    double base, target;
    bool is_there;
    uint32_t flags;
};

static struct amounts box(const struct flame *f, const struct diff *d, const char *path)
{
    struct amounts found = {0};
    size_t within = 0;
    for (size_t row = 0; row < f->rows_len; row++) {
        if (row > 0 && !*path)
            break;
        size_t len = strcspn(path, ";");
        bool is_met = row == 0;
        for (size_t i = f->row_start[row]; i < f->row_start[row + 1] && row > 0 && !is_met; i++) {
            const char *name = name_of(d, &d->rows[f->function[i]]);
            if (f->x0[i] < f->x0[within] || f->x1[i] > f->x1[within] || strlen(name) != len ||
                strncmp(name, path, len) != 0)
                continue;
            within = i;
            is_met = true;
        }
        if (!is_met)
            return (struct amounts){0};
        if (row > 0)
            path += len + (path[len] == ';');
    }
    if (*path)
        return found;
    found.is_there = true;
    found.base = f->base[within] * f->scale;
    found.target = (f->x1[within] - f->x0[within] - f->base[within]) * f->scale;
    found.flags = f->flags[within];
    return found;
}

static struct flame drawn(const struct diff *d, bool is_inverted)
{
    struct flame f;
    struct error err = {0};
    struct flame_options options = {.is_inverted = is_inverted};
    cr_assert_eq(diff_flame_build(&f, d, NULL, NULL, &options, &err), STATUS_OK, "%s", err.text);
    return f;
}

static void assert_box(const struct flame *f, const struct diff *d, const char *path, double base,
                       double target)
{
    struct amounts a = box(f, d, path);
    cr_assert(a.is_there, "%s", path);
    cr_assert_float_eq(a.base, base, 1e-6 * (1 + fabs(base)), "%s: %g", path, a.base);
    cr_assert_float_eq(a.target, target, 1e-6 * (1 + fabs(target)), "%s: %g", path, a.target);
}

Test(diff_flame, a_box_holds_both_and_says_whose)
{
    struct profile *a = folded(1000, 400);
    struct profile *b = folded(3000, 410);
    small_sample(a, "main;old", 50);
    small_sample(b, "main;new", 60);
    struct diff d = compare(a, b, DIFF_AS_IS);
    struct flame f = drawn(&d, false);
    assert_box(&f, &d, "", 1450, 3470);
    assert_box(&f, &d, "main;work;leaf", 1000, 3000);
    assert_box(&f, &d, "main;rest", 400, 410);
    assert_box(&f, &d, "main;old", 50, 0);
    assert_box(&f, &d, "main;new", 0, 60);
    cr_assert(box(&f, &d, "main;work;leaf").flags & FLAME_CHANGED);
    cr_assert_not(box(&f, &d, "main;rest").flags & FLAME_CHANGED);
    cr_assert_float_eq(f.total, 1450 + 3470, 1e-6);
    flame_free(&f);
    done(&d, a, b);
}

Test(diff_flame, the_target_is_scaled_to_the_bases_total)
{
    struct profile *a = folded(30, 10);
    struct profile *b = folded(10, 110);
    struct diff d = compare(a, b, DIFF_BY_TOTAL);
    struct flame f = drawn(&d, false);
    assert_box(&f, &d, "", 40, 40);
    assert_box(&f, &d, "main;work;leaf", 30, 40.0 / 12);
    assert_box(&f, &d, "main;rest", 10, 40 * 11.0 / 12);
    flame_free(&f);
    done(&d, a, b);
}

Test(diff_flame, inverted_it_starts_at_the_leaves)
{
    struct profile *a = folded(30, 10);
    struct profile *b = folded(20, 0);
    small_sample(a, "other;leaf", 5);
    struct diff d = compare(a, b, DIFF_AS_IS);
    struct flame f = drawn(&d, true);
    assert_box(&f, &d, "", 45, 20);
    assert_box(&f, &d, "leaf", 35, 20);
    assert_box(&f, &d, "leaf;work;main", 30, 20);
    assert_box(&f, &d, "leaf;other", 5, 0);
    assert_box(&f, &d, "rest;main", 10, 0);
    flame_free(&f);
    done(&d, a, b);
}
